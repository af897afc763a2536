//! Batch files: how many samples are to come in which set.

use std::collections::BTreeMap;
use std::path::Path;

use super::Batches;
use crate::driver::zenotof::batch::expectations;
use crate::link::disk::{self, Stat};

/// Longer files are no batches.
const LONGEST: u64 = 16 << 20;

/// Batch files beyond these are not read, the newest first.
const MOST: usize = 2000;

/// What the batch files of a folder say.
#[derive(Debug, Default)]
pub struct Expectations {
    /// What was read, so that only what changed is read again.
    read: BTreeMap<String, Stat>,
    /// By the key of the set's stem: the samples, the batch, and when that was written.
    expected: BTreeMap<String, (u32, String, i64)>,
}

impl Expectations {
    /// Reads what is new or changed; says whether anything did.
    pub fn refresh(&mut self, batches: &Batches) -> bool {
        let Ok(entries) = std::fs::read_dir(&batches.folder) else { return false };
        let mut files: Vec<(String, Stat)> = entries
            .flatten()
            .filter_map(|entry| {
                let name = entry.file_name().into_string().ok()?;
                let metadata = entry.metadata().ok().filter(std::fs::Metadata::is_file)?;
                is_batch(&name).then(|| (name, Stat::of(&metadata)))
            })
            .collect();
        files.sort_by_key(|(_, stat)| std::cmp::Reverse(stat.modified));
        files.truncate(MOST);
        let mut changed = false;
        for (name, stat) in files {
            if self.read.get(&name) != Some(&stat) && stat.size <= LONGEST {
                changed |= self.read_one(&batches.folder, &name, &stat, &batches.column);
                self.read.insert(name, stat);
            }
        }
        changed
    }

    fn read_one(&mut self, folder: &Path, name: &str, stat: &Stat, column: &str) -> bool {
        let read = || -> std::io::Result<Vec<u8>> {
            let (file, _) = disk::open(&folder.join(name))?;
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut std::io::Read::take(file, LONGEST), &mut bytes)?;
            Ok(bytes)
        };
        let bytes = match read() {
            Ok(bytes) => bytes,
            Err(error) => {
                tracing::warn!(batch = name, %error, "A batch file cannot be read.");
                return false;
            }
        };
        match expectations(&bytes, column) {
            Ok(found) => {
                // What it said before it was changed counts no more.
                self.expected.retain(|_, (_, batch, _)| batch != name);
                for (stem, samples) in found {
                    // The last batch that names a file counts.
                    if self.expected.get(&stem).is_none_or(|(_, _, written)| *written <= stat.modified) {
                        self.expected.insert(stem, (samples, name.to_owned(), stat.modified));
                    }
                }
                true
            }
            Err(error) => {
                tracing::warn!(batch = name, reason = %error, "A batch file says nothing of data files.");
                false
            }
        }
    }

    /// How many samples are to come in the sets with this stem's key, and which batch says so.
    pub fn of(&self, key: &str) -> Option<(u32, &str)> {
        self.expected.get(key).map(|(samples, batch, _)| (*samples, batch.as_str()))
    }
}

fn is_batch(name: &str) -> bool {
    let lower = name.to_lowercase();
    (lower.ends_with(".csv") || lower.ends_with(".txt")) && !lower.starts_with(['.', '~'])
}
