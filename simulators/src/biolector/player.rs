//! Writes a run's steps into a folder, at any speed.

use std::fs::{self, OpenOptions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;

use super::step::{Change, Step};
use crate::player::Act;

pub use crate::player::{Pace, Switch, WriteError};

/// A BioLector at work.
pub type Player = crate::player::Player<Step>;

impl Act for Step {
    fn at(&self) -> f64 {
        self.at
    }

    fn act(&self, folder: &Path) -> Result<(), WriteError> {
        apply(folder, &self.change)
    }
}

/// Does one step to the files in a folder. Sub-folders come to be as needed.
///
/// # Errors
/// [`WriteError`] names the file and what the system said.
pub fn apply(folder: &Path, change: &Change) -> Result<(), WriteError> {
    let (Change::Append { file, .. } | Change::Replace { file, .. } | Change::Overwrite { file, .. }) = change;
    let path = folder.join(file);
    let written = (|| {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        match change {
            Change::Append { bytes, .. } => OpenOptions::new().create(true).append(true).open(&path)?.write_all(bytes),
            Change::Replace { bytes, .. } => {
                // Under a hidden name first, as copying programs do, so that nobody reads half of the new file as the whole.
                let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                let hidden = path.with_file_name(format!(".{name}.copying"));
                fs::write(&hidden, bytes)?;
                fs::rename(&hidden, &path)
            }
            Change::Overwrite { offset, bytes, .. } => {
                let mut file = OpenOptions::new().write(true).open(&path)?;
                file.seek(SeekFrom::Start(*offset))?;
                file.write_all(bytes)
            }
        }
    })();
    written.map_err(|source| WriteError { path, source })
}
