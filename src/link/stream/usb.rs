//! Finds a USB serial adapter by what it is, wherever it is plugged in.
//!
//! source: public description of sysfs: `/sys/class/tty/NAME/device` leads into the device's folder; above it lie the
//! interface with `bInterfaceNumber`, and the adapter with `idVendor`, `idProduct` and `serial`.

use std::path::{Path, PathBuf};

use crate::config::streams::UsbPort;

/// Where the kernel shows its devices; another place in tests.
#[derive(Debug, Clone)]
pub struct Roots {
    /// `/sys`
    pub sys: PathBuf,
    /// `/dev`
    pub dev: PathBuf,
    /// `/proc`
    pub proc: PathBuf,
}

impl Default for Roots {
    fn default() -> Self {
        Self { sys: "/sys".into(), dev: "/dev".into(), proc: "/proc".into() }
    }
}

/// Why no port was found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotFound {
    /// No adapter is like this.
    #[error("no such USB adapter is plugged in")]
    Absent,
    /// Several are.
    #[error("several USB adapters or interfaces fit: {}", .0.join(", "))]
    Several(Vec<String>),
    /// The kernel's list cannot be read.
    #[error("the kernel's list of ports cannot be read: {0}")]
    Unreadable(String),
}

/// The port of the adapter `wanted`.
pub fn find(wanted: &UsbPort, roots: &Roots) -> Result<PathBuf, NotFound> {
    let class = roots.sys.join("class/tty");
    let unreadable = |error: std::io::Error| NotFound::Unreadable(format!("{}: {error}", class.display()));
    let mut fitting = Vec::new();
    for entry in std::fs::read_dir(&class).map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name();
        let Ok(device) = class.join(&name).join("device").canonicalize() else { continue };
        if fits(&device, wanted) {
            fitting.push(name.to_string_lossy().into_owned());
        }
    }
    fitting.sort();
    match fitting.as_slice() {
        [one] => Ok(roots.dev.join(one)),
        [] => Err(NotFound::Absent),
        _ => Err(NotFound::Several(fitting)),
    }
}

fn fits(device: &Path, wanted: &UsbPort) -> bool {
    let text = |folder: &Path, name: &str| Some(std::fs::read_to_string(folder.join(name)).ok()?.trim().to_owned());
    let number = |folder: &Path, name: &str| u16::from_str_radix(&text(folder, name)?, 16).ok();
    let Some(adapter) = device.ancestors().find(|folder| folder.join("idVendor").exists()) else { return false };
    let interface = device.ancestors().find_map(|folder| number(folder, "bInterfaceNumber"));
    number(adapter, "idVendor") == Some(wanted.vendor)
        && number(adapter, "idProduct") == Some(wanted.product)
        && wanted.serial.as_ref().is_none_or(|serial| text(adapter, "serial").as_ref() == Some(serial))
        && wanted.interface.is_none_or(|wanted| interface == Some(u16::from(wanted)))
}
