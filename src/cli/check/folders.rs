//! The folders that devices' files come into.

use std::io::ErrorKind;
use std::path::Path;

use super::surroundings::{Finding, Probe};
use crate::config::codes::Code;
use crate::config::file::FilesTable;
use crate::config::settings::WatchMode;
use crate::link::disk;

pub(super) fn probe(device: &str, table: &FilesTable, base: &Path) -> Option<Probe> {
    let at = table.folder.as_ref()?;
    let folder = at.value.in_folder(base);
    let must_be_mounted = table.require_mount.as_ref().is_some_and(|at| at.value);
    let notify = table.watch.as_ref().is_some_and(|at| at.value.0 == WatchMode::Notify);
    let message = format!("the folder of `{device}`, `{}`, does not answer", folder.display());
    let silent =
        Finding::new(Code::FolderSilent, message, "it is on a network mount whose server is gone, most probably");
    let device = device.to_owned();
    let ask = Box::new(move || ask(&device, &folder, must_be_mounted, notify));
    Some(Probe { place: at.span.clone(), ask, silent })
}

fn ask(device: &str, folder: &Path, must_be_mounted: bool, notify: bool) -> Vec<Finding> {
    let what = format!("the folder of `{device}`, `{}`,", folder.display());
    let disconnected = "the device is `disconnected` until it is";
    match std::fs::metadata(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return vec![Finding::new(Code::FolderAbsent, format!("{what} is not there"), disconnected)];
        }
        Err(error) => {
            let message = format!("{what} cannot be looked at: {error}");
            return vec![Finding::new(Code::FolderUnreadable, message, "the daemon's user must be able to read it")];
        }
        Ok(metadata) if !metadata.is_dir() => {
            let help = "name the folder that the instrument writes its files into, not one of them";
            return vec![Finding::new(Code::FolderUnreadable, format!("{what} is a file"), help)];
        }
        Ok(_) => {}
    }
    if let Err(error) = std::fs::read_dir(folder) {
        let message = format!("{what} cannot be read: {error}");
        let help = "the daemon's user must be able to; run `check` as that user to be sure";
        return vec![Finding::new(Code::FolderUnreadable, message, help)];
    }
    let is_mount = disk::is_mount_point(folder).unwrap_or(false);
    let remote = disk::file_system(folder).ok().filter(|system| system.remote).map(|system| system.name);
    mounted(&what, Mount { is_mount, remote }, must_be_mounted, notify)
}

/// What the kernel says of a folder's mount.
pub(super) struct Mount {
    /// Whether the folder is a mount's root.
    pub(super) is_mount: bool,
    /// The name of the network file system that it lies on, if it does.
    pub(super) remote: Option<String>,
}

pub(super) fn mounted(what: &str, mount: Mount, must_be_mounted: bool, notify: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    if must_be_mounted && !mount.is_mount {
        findings.push(Finding::new(
            Code::FolderNotMounted,
            format!("{what} is not a mount point now, and `require_mount` asks for one"),
            "the device is `disconnected` until the share is mounted there",
        ));
    }
    if let Some(kind) = mount.remote {
        if !must_be_mounted {
            findings.push(Finding::new(
                Code::MountNotRequired,
                format!("{what} lies on a network mount ({kind})"),
                "name the mount point and say `require_mount = true`: else the unmounted folder looks as if all files had been deleted",
            ));
        }
        if notify {
            findings.push(Finding::new(
                Code::NotifyOnNetwork,
                format!("{what} lies on a network mount ({kind}), where notifications do not see what others write"),
                "use `watch = \"auto\"` or `watch = \"poll\"`",
            ));
        }
    }
    findings
}
