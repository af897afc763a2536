//! One pass over a set or a tree, for an offline decode.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::digests::{DigestError, Stop, Throttle, sha256};
use super::look::{Part, look};
use super::tree::{below, list, path_of, walk};
use crate::driver::set::{At, Hashed, MemberSeen, Observation, SetName};
use crate::driver::zenotof::group::{Group, Name, classify, group, key};
use crate::link::disk::Stat;
use crate::link::files::ReadError;

/// The name of the root of an offline decode.
const ROOT: &str = "data";

/// What an error says is looked for.
const WANTED: &str = "member of a set of `.wiff` files";

/// A set that was found.
#[derive(Debug, Clone)]
pub struct OfflineSet {
    /// Its name.
    pub name: SetName,
    /// The bytes of all its members.
    pub size: u64,
    stem: String,
    parts: Vec<Part>,
    journal: bool,
}

impl OfflineSet {
    /// Looks at it.
    ///
    /// # Errors
    ///
    /// When a member cannot be read.
    pub fn look(&self) -> Result<Observation, ReadError> {
        look(&self.stem, None, &self.parts, self.journal)
            .map_err(|(path, source)| ReadError::Unreadable { path: path.to_path_buf(), source })
    }

    /// Makes the digest of a member; `None` when it changed meanwhile.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn hash(&self, member: &MemberSeen) -> Result<Option<Hashed>, ReadError> {
        let Some(part) = self.parts.iter().find(|part| part.kind == member.kind) else { return Ok(None) };
        match sha256(&part.file, member.state, &Throttle::new(None), &Stop::default()) {
            Ok(sha256) => Ok(Some(Hashed { kind: member.kind, at: member.at.clone(), state: member.state, sha256 })),
            Err(DigestError::Changed | DigestError::Stopped) => Ok(None),
            Err(DigestError::Io(source)) => Err(ReadError::Unreadable { path: part.file.to_path_buf(), source }),
        }
    }
}

/// The sets at `path`, the oldest first: all of a folder and what is below it, or the one that a file belongs to.
///
/// # Errors
///
/// When there is nothing, or it cannot be read.
pub fn sets_at(path: &Path) -> Result<Vec<OfflineSet>, ReadError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => ReadError::NotFound { path: path.to_owned() },
        _ => ReadError::Unreadable { path: path.to_owned(), source },
    };
    let is_folder = std::fs::metadata(path).map_err(failed)?.is_dir();
    let root: PathBuf = if is_folder { path.to_owned() } else { folder_of(path) };
    let wanted = match path.file_name().and_then(|name| name.to_str()).map(classify) {
        _ if is_folder => None,
        Some(Name::Member(_, stem) | Name::Journal(stem)) => Some(key(stem)),
        _ => return Err(ReadError::Nothing { path: path.to_owned(), wanted: WANTED }),
    };
    let mut found: BTreeMap<(i64, SetName), OfflineSet> = BTreeMap::new();
    let mut take = |folder: &str, groups: Vec<Group<Stat>>| {
        for group in groups {
            if wanted.as_ref().is_some_and(|wanted| *wanted != key(&group.stem)) {
                continue;
            }
            let newest = group.members.iter().map(|(_, _, stat)| stat.modified).max().unwrap_or(0);
            let set = offline(&root, folder, &group);
            found.insert((newest, set.name.clone()), set);
        }
    };
    if is_folder {
        walk(&root, &mut take).map_err(failed)?;
    } else {
        take("", group(list(&root).map_err(failed)?.files));
    }
    if found.is_empty() {
        return Err(ReadError::Nothing { path: path.to_owned(), wanted: WANTED });
    }
    Ok(found.into_values().collect())
}

/// The folder that a file is in.
fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn offline(root: &Path, folder: &str, group: &Group<Stat>) -> OfflineSet {
    let name_of_root: Arc<str> = ROOT.into();
    let part = |(kind, name, _): &(crate::profile::zenotof::Member, String, Stat)| Part {
        kind: *kind,
        at: At { root: name_of_root.clone(), path: below(folder, name).into() },
        file: path_of(root, folder).join(name).into(),
    };
    OfflineSet {
        name: format!("{ROOT}/{}", below(folder, &group.stem)).into(),
        size: group.members.iter().map(|(_, _, stat)| stat.size).sum(),
        stem: group.stem.clone(),
        parts: group.members.iter().map(part).collect(),
        journal: group.journal,
    }
}
