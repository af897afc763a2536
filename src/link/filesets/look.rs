//! A look at one set: every member's size and time, what the `.wiff` says, and whether that is in the `.wiff.scan`.
//!
//! Files are opened read-only, without locks, one at a time, and closed before the look ends. What is read is bounded by
//! the codec's limits.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use instrument_proto::codec::wiff::{self, Limits, Wiff, scan, wiff2};

use crate::driver::set::{At, MemberSeen, MemberState, Observation, ScanSeen};
use crate::link::digest::Digest;
use crate::link::disk::{self, Stat};
use crate::profile::zenotof::Member;

/// How much of a member's beginning goes into its digest.
const BEGINNING: u64 = 4096;

/// Records of each sample's index whose data are looked at.
const SAMPLED: usize = 48;

/// Samples of a file beyond which its index is not sampled more closely where the `.wiff.scan` has holes: the budget of a
/// reading is not for that.
const CLOSELY: usize = scan::MOST_LOOKS / SAMPLED;

/// A member, and where its file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What it is.
    pub kind: Member,
    /// Where it is for subscribers.
    pub at: At,
    /// Where it is for the daemon.
    pub file: Arc<Path>,
}

/// The state of a member.
pub fn state(stat: &Stat) -> MemberState {
    MemberState { size: stat.size, modified: stat.modified, file: stat.inode }
}

/// Looks at a set. A member that vanished is not part of the answer.
///
/// # Errors
///
/// What the file system says when a member is there and cannot be read.
pub fn look(
    stem: &str,
    base: Option<Arc<str>>,
    parts: &[Part],
    journal: bool,
) -> Result<Observation, (Arc<Path>, io::Error)> {
    let limits = Limits { sampled_records: SAMPLED, ..Limits::default() };
    let mut seen = Observation {
        stem: stem.to_owned(),
        base,
        members: Vec::with_capacity(parts.len()),
        journal,
        wiff: None,
        scan: None,
        wiff2: None,
        behind_s: None,
        hollow: false,
    };
    let mut parts: Vec<&Part> = parts.iter().collect();
    // The `.wiff` before the `.wiff.scan`: what it names was written before.
    parts.sort_by_key(|part| part.kind);
    for part in &parts {
        let failed = |error| (part.file.clone(), error);
        let (mut file, stat) = match disk::open(&part.file) {
            Ok(opened) => opened,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(failed(error)),
        };
        let beginning = first(&mut file, BEGINNING).map_err(failed)?;
        let hollow = disk::has_holes(&file, stat.size);
        seen.hollow |= hollow;
        match part.kind {
            Member::Wiff => seen.wiff = Some(wiff::read(&mut file, &limits)),
            Member::Scan => {
                // A hole is no larger than what was not written yet: it can lie between what is looked at otherwise.
                if hollow && let Some(closer) = look_closer(&parts, seen.wiff.as_ref()) {
                    seen.wiff = Some(closer);
                }
                if let Some(wiff) = &seen.wiff {
                    seen.scan = Some(scan_seen(&mut file, stat.size, wiff).map_err(failed)?);
                }
            }
            Member::Wiff2 => seen.wiff2 = Some(wiff2::judge(&beginning, stat.size)),
            Member::Timeseries | Member::Metadata | Member::Report => {}
        }
        seen.members.push(MemberSeen {
            kind: part.kind,
            at: part.at.clone(),
            state: state(&stat),
            beginning: Digest::of(&beginning).short(),
        });
    }
    Ok(seen)
}

/// Reads the `.wiff` again, with more of its index; `None` where it changed meanwhile or has too many samples.
fn look_closer(parts: &[&Part], wiff: Option<&Wiff>) -> Option<Wiff> {
    let samples = wiff?.samples.len();
    let main = parts.iter().find(|part| part.kind == Member::Wiff).filter(|_| (1..CLOSELY).contains(&samples))?;
    let (file, stat) = disk::open(&main.file).ok()?;
    let limits = Limits { sampled_records: scan::MOST_LOOKS / samples, ..Limits::default() };
    let closer = wiff::read(file, &limits);
    (stat.size == wiff?.length && closer.samples.len() == samples).then_some(closer)
}

fn first(file: &mut File, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Looks into the data where the index says that there are some.
fn scan_seen(file: &mut File, size: u64, wiff: &Wiff) -> io::Result<ScanSeen> {
    let chain = scan::Chain::of(wiff);
    let mut seen = Vec::new();
    for look in chain.looks(size) {
        file.seek(SeekFrom::Start(look.offset))?;
        let bytes = first(file, look.length as u64)?;
        seen.push(scan::Seen { offset: look.offset, bytes });
    }
    Ok(ScanSeen { findings: chain.judge(size, &seen), places: seen.len() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::zenotof::tests::world::pair;

    #[test]
    fn a_page_that_was_not_written_yet_is_found_wherever_it_is() {
        use std::os::unix::fs::FileExt as _;
        const PAGE: usize = 4096;
        let Some(set) = pair() else { return };
        let folder = tempfile::tempdir().expect("a folder");
        let parts: Vec<Part> = [Member::Wiff, Member::Scan]
            .map(|kind| {
                let path = folder.path().join(&set[&kind].path);
                std::fs::write(&path, &set[&kind].bytes).expect("written");
                Part { kind, at: At { root: "data".into(), path: "S".into() }, file: path.into() }
            })
            .into();
        let findings = || look("S", None, &parts, false).expect("a look").scan.expect("a verdict").findings;
        assert_eq!(findings(), []);
        let bytes = &set[&Member::Scan].bytes;
        for hole in (0..bytes.len()).step_by(PAGE) {
            std::fs::remove_file(&parts[1].file).expect("removed");
            let file = File::create(&parts[1].file).expect("a file");
            file.set_len(bytes.len() as u64).expect("reserved");
            file.write_all_at(&bytes[..hole], 0).expect("written");
            let behind = (hole + PAGE).min(bytes.len());
            file.write_all_at(&bytes[behind..], behind as u64).expect("written");
            if !disk::has_holes(&file, bytes.len() as u64) {
                eprintln!("skipped: the file system does not tell of holes");
                return;
            }
            let found = findings();
            assert!(found.iter().any(|finding| matches!(finding, scan::Finding::Zeros { .. })), "{hole}: {found:?}");
        }
    }
}
