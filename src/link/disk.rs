//! The file system as the link sees it: identities, opening, mounts. Everything that only Unix can tell is here.

use std::fs::{File, Metadata};
use std::io;
use std::path::Path;

/// What the file system says of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stat {
    /// The device; changes with each mount of a network share.
    pub device: u64,
    /// The inode, 0 where there is none.
    pub inode: u64,
    /// The size, in bytes.
    pub size: u64,
    /// When it was last written, in nanoseconds since 1970, by the clock of the machine that holds it.
    pub modified: i64,
}

impl Stat {
    /// From the metadata of a file.
    pub fn of(metadata: &Metadata) -> Self {
        let (device, inode) = identity(metadata);
        let modified = metadata.modified().ok().map_or(0, nanoseconds);
        Self { device, inode, size: metadata.len(), modified }
    }
}

fn nanoseconds(time: std::time::SystemTime) -> i64 {
    match time.duration_since(std::time::UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_nanos()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |n| -n),
    }
}

#[cfg(unix)]
fn identity(metadata: &Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt as _;
    (metadata.dev(), metadata.ino())
}

#[cfg(not(unix))]
fn identity(_: &Metadata) -> (u64, u64) {
    (0, 0)
}

/// Opens a regular file, read-only, and says what it is. No lock is taken.
pub fn open(path: &Path) -> io::Result<(File, Stat)> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    Ok((file, Stat::of(&metadata)))
}

/// Whether a file of this size has space that nothing was ever written to, as a copy that reserves its place first has while it
/// goes on. False where the file system does not tell. Moves the place from which the file is read.
#[cfg(target_os = "linux")]
pub fn has_holes(file: &File, size: u64) -> bool {
    rustix::fs::seek(file, rustix::fs::SeekFrom::Hole(0)).is_ok_and(|hole| hole < size)
}

/// Whether a file has holes; not known here.
#[cfg(not(target_os = "linux"))]
pub fn has_holes(_: &File, _: u64) -> bool {
    false
}

/// A file system, as far as it matters for noticing changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSystem {
    /// Its name, or its number where the name is not known.
    pub name: String,
    /// Whether others can change it without this kernel noticing.
    pub remote: bool,
}

/// File systems whose files change on another machine or behind a user-space program. The numbers are those of
/// statfs(2) and `linux/magic.h`.
#[cfg(target_os = "linux")]
const REMOTE: &[(u32, &str)] = &[
    (0xFF53_4D42, "CIFS"),
    (0xFE53_4D42, "SMB"),
    (0x517B, "SMB"),
    (0x6969, "NFS"),
    (0x6573_5546, "FUSE"),
    (0x0102_1997, "9P"),
    (0x00C3_6400, "Ceph"),
    (0x5346_414F, "AFS"),
    (0x6B41_4653, "AFS"),
    (0x7375_7245, "Coda"),
    (0x564C, "NCP"),
    (0x0BD0_0BD0, "Lustre"),
    (0x0116_1970, "GFS2"),
    (0x7461_636F, "OCFS2"),
    (0x786F_4256, "VirtualBox shared folder"),
    (0xBACB_ACBC, "VMware shared folder"),
    (0x0187, "autofs"),
];

#[cfg(target_os = "linux")]
const LOCAL: &[(u32, &str)] = &[
    (0xEF53, "ext"),
    (0x0102_1994, "tmpfs"),
    (0x9123_683E, "btrfs"),
    (0x5846_5342, "XFS"),
    (0x794C_7630, "overlayfs"),
    (0x2FC1_2FC1, "ZFS"),
    (0xF2F5_2010, "F2FS"),
    (0x4D44, "FAT"),
    (0x2011_BAB0, "exFAT"),
];

/// The file system that `path` lies on.
#[cfg(target_os = "linux")]
pub fn file_system(path: &Path) -> io::Result<FileSystem> {
    // The field's type differs by architecture and the numbers are 32 bits wide; the lower half is what identifies.
    Ok(by_number(rustix::fs::statfs(path)?.f_type as u32))
}

/// One that is in neither list counts as local: notifications work on every file system that this kernel alone writes, and the
/// safety scans find the rest.
#[cfg(target_os = "linux")]
fn by_number(kind: u32) -> FileSystem {
    let named =
        |list: &[(u32, &str)]| list.iter().find(|(number, _)| *number == kind).map(|(_, name)| (*name).to_owned());
    match named(REMOTE) {
        Some(name) => FileSystem { name, remote: true },
        None => FileSystem { name: named(LOCAL).unwrap_or_else(|| format!("type {kind:#x}")), remote: false },
    }
}

/// The file system that `path` lies on; not known here.
#[cfg(not(target_os = "linux"))]
pub fn file_system(_: &Path) -> io::Result<FileSystem> {
    Ok(FileSystem { name: "of unknown type".to_owned(), remote: false })
}

/// Whether `folder` is the root of a mount: the kernel says so, or its device differs from its parent's.
#[cfg(target_os = "linux")]
pub fn is_mount_point(folder: &Path) -> io::Result<bool> {
    use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};
    if let Ok(answer) = statx(CWD, folder, AtFlags::empty(), StatxFlags::BASIC_STATS)
        && answer.stx_attributes_mask.contains(StatxAttributes::MOUNT_ROOT)
    {
        return Ok(answer.stx_attributes.contains(StatxAttributes::MOUNT_ROOT));
    }
    differs_from_parent(folder)
}

/// Whether `folder` is the root of a mount: its device differs from its parent's.
#[cfg(not(target_os = "linux"))]
pub fn is_mount_point(folder: &Path) -> io::Result<bool> {
    differs_from_parent(folder)
}

fn differs_from_parent(folder: &Path) -> io::Result<bool> {
    let own = Stat::of(&std::fs::metadata(folder)?);
    let parent = Stat::of(&std::fs::metadata(folder.join(".."))?);
    Ok(own.device != parent.device || own.inode == parent.inode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn mounts_are_told_from_folders() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        assert!(!is_mount_point(folder.path()).expect("an answer"));
        assert!(is_mount_point(Path::new("/proc")).expect("an answer"));
        assert!(differs_from_parent(Path::new("/proc")).expect("an answer"));
        assert!(!file_system(folder.path()).expect("an answer").remote);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn network_file_systems_are_known_by_their_numbers() {
        for (number, name) in [(0xFF53_4D42, "CIFS"), (0xFE53_4D42, "SMB"), (0x6969, "NFS"), (0x6573_5546, "FUSE")] {
            assert_eq!(by_number(number), FileSystem { name: name.to_owned(), remote: true });
        }
        assert_eq!(by_number(0xEF53), FileSystem { name: "ext".to_owned(), remote: false });
        assert_eq!(by_number(7), FileSystem { name: "type 0x7".to_owned(), remote: false });
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn reserved_space_is_told_from_content() {
        let mut file = tempfile::tempfile().expect("a file");
        std::io::Write::write_all(&mut file, &[0; 8192]).expect("written");
        assert!(!has_holes(&file, 8192));
        file.set_len(1 << 20).expect("longer");
        assert!(has_holes(&file, 1 << 20));
    }

    #[test]
    fn only_regular_files_are_opened() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        assert!(open(folder.path()).is_err());
    }
}
