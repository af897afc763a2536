//! File systems and mounts.

use std::path::Path;

/// The name of the network file system that `path` lies on; `None` on local ones and where nothing tells.
#[cfg(target_os = "linux")]
pub(super) fn remote(path: &Path) -> Option<String> {
    // The numbers of statfs(2).
    const REMOTE: [(u32, &str); 6] = [
        (0xFF53_4D42, "CIFS"),
        (0xFE53_4D42, "SMB"),
        (0x517B, "SMB"),
        (0x6969, "NFS"),
        (0x6573_5546, "FUSE"),
        (0x0102_1997, "9P"),
    ];
    let kind = rustix::fs::statfs(path).ok()?.f_type as u32;
    REMOTE.iter().find(|(number, _)| *number == kind).map(|(_, name)| (*name).to_owned())
}

#[cfg(not(target_os = "linux"))]
pub(super) fn remote(_: &Path) -> Option<String> {
    None
}

/// Whether `folder` lies on another mount than the root of the file system.
#[cfg(unix)]
pub(super) fn is_on_own_mount(folder: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let device = |path: &Path| std::fs::metadata(path).map(|metadata| metadata.dev()).ok();
    device(folder) != device(Path::new("/"))
}

#[cfg(not(unix))]
pub(super) fn is_on_own_mount(_: &Path) -> bool {
    true
}
