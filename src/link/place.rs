//! A watched folder: whether it is there and is what it should be, and by which means its changes are found.

use std::io;
use std::path::Path;

use super::disk::{self, Stat};
use crate::config::settings::WatchMode;

/// Whether the folder is there and is what it should be; else the reason, and what to do.
pub fn folder_now(folder: &Path, require_mount: bool) -> Result<Stat, (String, Option<String>)> {
    let metadata = std::fs::metadata(folder).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => ("the folder does not exist".to_owned(), remedy(&error)),
        _ => (format!("the folder cannot be read: {error}"), remedy(&error)),
    })?;
    if !metadata.is_dir() {
        return Err(("it is not a folder".to_owned(), Some("let `folder` name a folder".to_owned())));
    }
    if require_mount && !disk::is_mount_point(folder).unwrap_or(false) {
        let remedy = "mount the share there, or set `require_mount = false` if the folder is a local one";
        return Err(("not mounted".to_owned(), Some(remedy.to_owned())));
    }
    Ok(Stat::of(&metadata))
}

/// Whether to poll, and why; `safety` is the number of poll intervals between two safety scans.
pub fn means(mode: WatchMode, folder: &Path, safety: u32) -> (bool, String) {
    match (mode, disk::file_system(folder)) {
        (WatchMode::Poll, _) => (true, "as configured".to_owned()),
        (WatchMode::Notify, Ok(system)) if system.remote => (
            false,
            format!(
                "as configured; on {} most changes are found only by a scan at each {safety}th poll interval",
                system.name
            ),
        ),
        (WatchMode::Notify, _) => (false, "as configured".to_owned()),
        (WatchMode::Auto, Ok(system)) if system.remote => {
            (true, format!("the folder lies on {}, whose changes this machine's kernel does not see", system.name))
        }
        (WatchMode::Auto, Ok(system)) => (false, format!("the folder lies on a local file system ({})", system.name)),
        (WatchMode::Auto, Err(error)) => (true, format!("the file system's type cannot be found out: {error}")),
    }
}

/// What to do about an error of the file system.
pub fn remedy(error: &io::Error) -> Option<String> {
    match error.kind() {
        io::ErrorKind::PermissionDenied => Some("let the daemon's user read it".to_owned()),
        io::ErrorKind::NotFound => Some("create the folder, mount the share, or correct `folder`".to_owned()),
        io::ErrorKind::StaleNetworkFileHandle => Some("mount the share again".to_owned()),
        _ => None,
    }
}
