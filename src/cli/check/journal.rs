//! The journal's place.

use std::ops::Range;
use std::path::Path;

use super::surroundings::{Finding, Probe};
use crate::config::codes::Code;
use crate::link::disk;

pub(super) fn probe(path: &Path, place: Range<usize>) -> Probe {
    let message = format!("the journal's place, `{}`, does not answer", path.display());
    let silent = Finding::new(Code::JournalUnusable, message, "put it on a disk of this machine");
    let path = path.to_owned();
    Probe { place, ask: Box::new(move || ask(&path)), silent }
}

fn ask(path: &Path) -> Vec<Finding> {
    let unusable = |message: String| {
        let mut finding = Finding::new(
            Code::JournalUnusable,
            message,
            "`run` by this user would not start; the service has a user of its own: run `check` as that user, or as root",
        );
        finding.help.push("or name another place with `path` in `[journal]`".to_owned());
        vec![finding]
    };
    if path.is_dir() {
        return unusable(format!("the journal `{}` is a folder", path.display()));
    }
    if path.exists()
        && let Err(error) = writable(path)
    {
        return unusable(format!("the journal `{}` cannot be written: {error}", path.display()));
    }
    // `run` makes the folders that are not there, in the first one that is.
    let folder = path.ancestors().skip(1).find(|folder| folder.exists()).unwrap_or(Path::new("/"));
    if !folder.is_dir() {
        return unusable(format!("the journal's folder cannot be made: `{}` is a file", folder.display()));
    }
    if let Err(error) = writable(folder) {
        return unusable(format!("the journal's folder `{}` cannot be written: {error}", folder.display()));
    }
    on_network(disk::file_system(folder).ok().filter(|system| system.remote).map(|system| system.name))
}

/// Whether this user may write `path`, and on a file system that is not read-only.
#[cfg(unix)]
fn writable(path: &Path) -> std::io::Result<()> {
    use rustix::fs::{Access, access};
    Ok(access(path, Access::READ_OK | Access::WRITE_OK)?)
}

#[cfg(not(unix))]
fn writable(_: &Path) -> std::io::Result<()> {
    Ok(())
}

pub(super) fn on_network(kind: Option<String>) -> Vec<Finding> {
    let finding = |kind| {
        Finding::new(
            Code::JournalOnNetwork,
            format!("the journal lies on a network file system ({kind})"),
            "put it on a disk of this machine: locks and power failures are not what SQLite needs there",
        )
    };
    kind.map(finding).into_iter().collect()
}
