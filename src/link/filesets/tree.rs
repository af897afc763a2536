//! The names and sizes of a tree, folder by folder.
//!
//! An unchanged folder costs its listing and a stat for each file that can be a member, and no memory: of each folder one
//! number is kept, the sum of digests over names, sizes and times. Only where that number changed names are put together.

use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::driver::zenotof::group::{Group, Name, classify, group};
use crate::link::disk::Stat;

/// Folders deeper than this below a root are not looked at: no project nests so far, a loop of mounts does.
pub const DEEPEST: usize = 24;

/// A folder, listed.
#[derive(Debug, Default)]
pub struct Listing {
    /// The sum of digests over everything in it that matters, in any order.
    pub print: u64,
    /// Its sub-folders' names.
    pub folders: Vec<String>,
    /// Files that can be members, by name. Empty when the print is the one that was known.
    pub files: Vec<(String, Stat)>,
    /// Files seen, members or not.
    pub count: usize,
    /// Files that could not be looked at, each with the reason.
    pub unreadable: Vec<(String, String)>,
}

/// Lists a folder.
///
/// # Errors
///
/// When the folder cannot be read.
pub fn list(folder: &Path) -> io::Result<Listing> {
    let mut listing = Listing::default();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        let name = entry.file_name();
        if kind.is_dir() {
            if !name.as_bytes().starts_with(b".") {
                listing.folders.push(name.to_string_lossy().into_owned());
            }
            continue;
        }
        listing.count += 1;
        // A member's name is text: SCIEX software runs on Windows. What is not is no member.
        let Some(name) = name.to_str() else { continue };
        match classify(name) {
            Name::Other => continue,
            // What happens to a journal beside its being there does not matter.
            Name::Journal(_) => {
                listing.print = listing.print.wrapping_add(digest(name, &Stat::default()));
                listing.files.push((name.to_owned(), Stat::default()));
                continue;
            }
            Name::Member(..) => {}
        }
        // A link to a file is followed, a link to a folder is not: it may lead in a circle.
        let metadata = if kind.is_symlink() { std::fs::metadata(folder.join(name)) } else { entry.metadata() };
        match metadata {
            Ok(metadata) if metadata.is_file() => {
                let stat = Stat::of(&metadata);
                listing.print = listing.print.wrapping_add(digest(name, &stat));
                listing.files.push((name.to_owned(), stat));
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => listing.unreadable.push((name.to_owned(), error.to_string())),
        }
    }
    Ok(listing)
}

/// FNV-1a over name, size, time and inode: it need not withstand an enemy, only be quick.
fn digest(name: &str, stat: &Stat) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let mut take = |bytes: &[u8]| {
        for byte in bytes {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    take(name.as_bytes());
    take(&stat.size.to_le_bytes());
    take(&stat.modified.to_le_bytes());
    take(&stat.inode.to_le_bytes());
    hash
}

/// Everything below a folder: the sets of each folder, by its path relative to `root`.
///
/// # Errors
///
/// When the folder itself cannot be read; folders below that cannot are left out.
pub fn walk(root: &Path, found: &mut dyn FnMut(&str, Vec<Group<Stat>>)) -> io::Result<()> {
    let mut folders = vec![(String::new(), 0)];
    while let Some((relative, depth)) = folders.pop() {
        let listing = match list(&path_of(root, &relative)) {
            Ok(listing) => listing,
            Err(error) if depth == 0 => return Err(error),
            Err(_) => continue,
        };
        if depth < DEEPEST {
            folders.extend(listing.folders.iter().map(|name| (below(&relative, name), depth + 1)));
        }
        found(&relative, group(listing.files));
    }
    Ok(())
}

/// The path of a folder relative to a root.
pub fn path_of(root: &Path, relative: &str) -> PathBuf {
    if relative.is_empty() { root.to_owned() } else { root.join(relative) }
}

/// The relative path of `name` in the folder `relative`.
pub fn below(relative: &str, name: &str) -> String {
    if relative.is_empty() { name.to_owned() } else { format!("{relative}/{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folders_print_changes_with_its_members_and_with_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).expect("written");
        write("S.wiff", b"one");
        write("S.wiff.scan", b"two");
        let before = list(folder.path()).expect("a listing");
        assert_eq!((before.files.len(), before.count), (2, 2));
        write("notes.txt", b"x");
        write(".special", b"");
        std::fs::create_dir(folder.path().join("below")).expect("made");
        let same = list(folder.path()).expect("a listing");
        assert_eq!((same.print, same.folders.as_slice()), (before.print, &["below".to_owned()][..]));
        write("S.wiff.scan", b"more");
        assert_ne!(list(folder.path()).expect("a listing").print, before.print);
        write("S.wiff.scan", b"two");
        write("S.wiff2-journal", b"");
        assert_ne!(list(folder.path()).expect("a listing").print, before.print);
    }
}
