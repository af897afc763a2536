//! A whole look at the folder. What the kernel tells are hints; this is the truth.

use std::io;
use std::path::{Path, PathBuf};

use super::disk::{self, FileSystem, Stat};
use super::group::{self, Found};
use crate::driver::FolderLayout;

/// Folders deeper than this below the watched one are not looked at: no instrument nests so far, a loop of mounts does.
const DEEPEST: usize = 24;

/// What a look found beside the sources themselves.
#[derive(Debug, Default)]
pub struct Walk {
    /// Whether nothing at all stands in the folder.
    pub empty: bool,
    /// Files seen.
    pub files: usize,
    /// Files that are no results.
    pub ignored: usize,
    /// Folders, relative to the watched one, that could not be read, each with the reason. What lies there is not gone.
    pub unreadable: Vec<(PathBuf, String)>,
    /// A folder below that lies on a file system whose changes this kernel does not see.
    pub remote: Option<(PathBuf, FileSystem)>,
    /// Whether the look was broken off, because the link is to stop.
    pub stopped: bool,
}

/// Looks at `root` and everything below it, and gives each source to `found`. `go_on` is asked now and then.
///
/// # Errors
///
/// When the folder itself cannot be read. What cannot be read below it is in the answer.
pub fn walk(
    root: &Path,
    layout: FolderLayout,
    go_on: &dyn Fn() -> bool,
    found: &mut dyn FnMut(Found),
) -> io::Result<Walk> {
    let mut answer = Walk { empty: true, ..Walk::default() };
    let device = Stat::of(&std::fs::metadata(root)?).device;
    let mut folders = vec![PathBuf::new()];
    while let Some(relative) = folders.pop() {
        match list(root, &relative, layout, device, go_on, &mut folders, &mut answer) {
            Ok(files) => group::group(root, &relative, files, layout, found),
            Err(error) if relative.as_os_str().is_empty() => return Err(error),
            // Removed while we looked: the parent's next listing will say so.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => answer.unreadable.push((relative, error.to_string())),
        }
        if !go_on() {
            answer.stopped = true;
            break;
        }
    }
    Ok(answer)
}

fn list(
    root: &Path,
    relative: &Path,
    layout: FolderLayout,
    device: u64,
    go_on: &dyn Fn() -> bool,
    folders: &mut Vec<PathBuf>,
    answer: &mut Walk,
) -> io::Result<Vec<(std::ffi::OsString, Stat)>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(root.join(relative))? {
        let entry = entry?;
        answer.empty = false;
        let name = entry.file_name();
        let kind = entry.file_type()?;
        if group::is_hidden(&name) {
            continue;
        }
        if kind.is_dir() {
            let below = relative.join(&name);
            if below.components().count() <= DEEPEST {
                note_remote(root, &below, device, answer);
                folders.push(below);
            }
            continue;
        }
        answer.files += 1;
        if answer.files.is_multiple_of(1024) && !go_on() {
            break;
        }
        if !group::concerns(&name, layout) {
            answer.ignored += 1;
            continue;
        }
        // A link to a file is followed, a link to a folder is not: it may lead in a circle.
        match std::fs::metadata(root.join(relative).join(&name)) {
            Ok(metadata) if metadata.is_file() => files.push((name, Stat::of(&metadata))),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => answer.unreadable.push((relative.join(&name), error.to_string())),
        }
    }
    Ok(files)
}

fn note_remote(root: &Path, below: &Path, device: u64, answer: &mut Walk) {
    if answer.remote.is_some() {
        return;
    }
    let path = root.join(below);
    if let Ok(metadata) = std::fs::metadata(&path)
        && Stat::of(&metadata).device != device
        && let Ok(system) = disk::file_system(&path)
        && system.remote
    {
        answer.remote = Some((below.to_owned(), system));
    }
}
