//! Real files, where they are at hand, and written ones.

#![allow(dead_code, reason = "each test program uses a part")]

pub mod written;

use std::path::{Path, PathBuf};

/// A real file, or none with a line that says so; on the build machine its absence is a failure.
pub fn real_data(name: &str) -> Option<PathBuf> {
    let places = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|folder| folder.join("shared/data"));
    let found = std::env::var_os("INSTRUMENTD_DATA")
        .map(PathBuf::from)
        .into_iter()
        .chain(places)
        .map(|folder| folder.join(name));
    let found = found.into_iter().find(|file| file.exists());
    if found.is_none() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "real data is missing: {name}");
        println!("skipped: real data not present ({name})");
    }
    found
}

/// The bytes of a real file.
pub fn real_bytes(name: &str) -> Option<Vec<u8>> {
    real_data(name).map(|path| std::fs::read(path).expect("readable"))
}
