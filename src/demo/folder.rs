//! The demonstration's own folder, gone when the demonstration is.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// A folder that is removed with everything in it when this is dropped.
#[derive(Debug)]
pub struct TemporaryFolder(PathBuf);

impl TemporaryFolder {
    /// Makes a new folder, for this user alone, among the system's temporary files.
    pub fn new() -> io::Result<Self> {
        let path = std::env::temp_dir().join(format!("instrumentd-demo-{}", std::process::id()));
        // Fails where something with that name exists: whose it is, we do not know.
        fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("cannot remove {}: {error}; remove it by hand", self.0.display());
        }
    }
}
