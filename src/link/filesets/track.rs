//! What is known of one set while the link runs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use super::adopt::FoundMember;
use super::look::Part;
use super::position::Position;
use super::roots::RootState;
use super::tree::path_of;
use crate::driver::set::{At, SetName};
use crate::driver::zenotof::group::key;

/// A copy of a set that is followed.
#[derive(Debug)]
pub struct Copied {
    /// The set.
    pub of: SetName,
    /// The copy's members when that was found out.
    pub members: Vec<FoundMember>,
}

/// A set that is followed.
#[derive(Debug)]
pub struct Tracked {
    /// What is kept of it.
    pub position: Position,
    /// What its names have in common, as written.
    pub stem: String,
    /// Its members as the folders list them.
    pub found: Vec<FoundMember>,
    /// A journal is there.
    pub journal: bool,
    /// Nothing was said of it yet: it may turn out to be a known one.
    pub fresh: bool,
    /// The driver has it open.
    pub opened: bool,
    /// It has to be looked at.
    pub wanted: bool,
    /// It changed while the daemon was up: it goes before what was there already.
    pub live: bool,
    /// The number of the last look that was told.
    pub serial: u64,
    /// When it was looked at last.
    pub looked: Option<Instant>,
    /// Since when none of its members is there.
    pub missing: Option<Instant>,
    /// Why it could not be looked at.
    pub trouble: Option<String>,
    /// The last request for digests; older ones are void.
    pub round: Arc<AtomicU64>,
}

impl Tracked {
    /// A set of which `position` is known.
    pub fn new(position: Position, stem: &str) -> Self {
        Self {
            position,
            stem: stem.to_owned(),
            found: Vec::new(),
            journal: false,
            fresh: false,
            opened: false,
            wanted: false,
            live: false,
            serial: 0,
            looked: None,
            missing: None,
            trouble: None,
            round: Arc::default(),
        }
    }

    /// A set that appeared.
    pub fn fresh(backfill: bool, stem: &str) -> Self {
        Self { fresh: true, wanted: true, ..Self::new(Position::new(backfill), stem) }
    }

    /// Whether it stands as it was looked at last.
    pub fn is_as_known(&self) -> bool {
        self.journal == self.position.journal
            && self.found.len() == self.position.members.len()
            && self.found.iter().all(|member| self.position.members.contains(member))
    }

    /// Takes over what one folder lists of it; members elsewhere stay.
    pub fn update(&mut self, root: &str, folder: &str, members: Vec<FoundMember>, journal: bool) {
        let is_here = |at: &At| &*at.root == root && folder_of(&at.path) == folder;
        let elsewhere = self
            .found
            .drain(..)
            .filter(|(kind, at, _)| !is_here(at) && members.iter().all(|(other, ..)| other != kind));
        let mut found: Vec<FoundMember> = elsewhere.collect();
        found.extend(members);
        found.sort_by_key(|(kind, ..)| *kind);
        (self.found, self.journal) = (found, journal);
        if !self.found.is_empty() {
            self.missing = None;
        }
    }

    /// Where its members are to be read.
    pub fn parts(&self, roots: &[RootState]) -> Vec<Part> {
        let part = |(kind, at, _): &FoundMember| {
            let root = roots.iter().find(|root| *root.root.name == *at.root)?;
            Some(Part { kind: *kind, at: at.clone(), file: path_of(&root.root.folder, &at.path).into() })
        };
        self.found.iter().filter_map(part).collect()
    }

    /// Whether its members are in several folders.
    pub fn is_scattered(&self) -> bool {
        let mut folders = self.found.iter().map(|(_, at, _)| (&at.root, folder_of(&at.path)));
        let first = folders.next();
        folders.any(|other| Some(other) != first)
    }

    /// The latest change of a member.
    pub fn modified(&self) -> i64 {
        self.found.iter().map(|(.., state)| state.modified).max().unwrap_or(0)
    }
}

/// The name of a set.
pub fn name_of(root: &str, folder: &str, stem: &str) -> SetName {
    let key = key(stem);
    if folder.is_empty() { format!("{root}/{key}").into() } else { format!("{root}/{folder}/{key}").into() }
}

/// The folder of a relative path.
pub fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// The sets that have a folder of their own members in `root`/`folder`.
pub fn in_folder<'a>(
    sets: &'a BTreeMap<SetName, Tracked>,
    root: &str,
    folder: &str,
) -> impl Iterator<Item = &'a SetName> + use<'a> {
    let prefix = if folder.is_empty() { format!("{root}/") } else { format!("{root}/{folder}/") };
    let from: SetName = prefix.as_str().into();
    sets.range(from..)
        .map(|(name, _)| name)
        .take_while({
            let prefix = prefix.clone();
            move |name| name.starts_with(&prefix)
        })
        .filter(move |name| !name[prefix.len()..].contains('/'))
}
