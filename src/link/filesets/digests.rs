//! Digests of whole members: streamed, throttled, and only of what stands still.

use std::io::{self, Read as _};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};

use super::look::state;
use crate::driver::set::MemberState;
use crate::link::disk;

/// How much is read at once: large enough that a call costs nothing against hashing, small enough for many in parallel.
const CHUNK: usize = 1 << 20;

/// Why there is no digest.
#[derive(Debug, thiserror::Error)]
pub enum DigestError {
    /// The file is another one than was meant, or changed while it was read.
    #[error("it changed while it was read")]
    Changed,
    /// The link is to stop.
    #[error("the link stops")]
    Stopped,
    /// The file system refuses.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Tells the threads that make digests to end, also while they wait.
#[derive(Debug, Default)]
pub struct Stop {
    stopped: AtomicBool,
    lock: Mutex<()>,
    bell: Condvar,
}

impl Stop {
    /// Tells them.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        let _held = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        self.bell.notify_all();
    }

    /// Whether they were told.
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// Waits until a moment, or until they are told.
    fn wait_until(&self, moment: Instant) {
        let held = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        let left = moment.saturating_duration_since(Instant::now());
        // Woken for nothing or not: the caller reads on a little early, which the next wait makes good.
        drop(self.bell.wait_timeout_while(held, left, |()| !self.is_stopped()));
    }
}

/// Keeps all reading for digests together below a rate.
#[derive(Debug)]
pub struct Throttle {
    /// Bytes per second; `None` is no limit.
    rate: Option<u64>,
    /// The moment up to which what was read is paid for.
    paid: Mutex<Instant>,
}

impl Throttle {
    /// To `rate` bytes per second, or without a limit.
    pub fn new(rate: Option<u64>) -> Self {
        Self { rate: rate.filter(|rate| *rate > 0), paid: Mutex::new(Instant::now()) }
    }

    /// Waits as long as `bytes` take at the rate.
    fn pay(&self, bytes: usize, stop: &Stop) {
        if let Some(until) = self.paid_until(bytes, Instant::now()) {
            stop.wait_until(until);
        }
    }

    /// The moment at which somebody who read `bytes` until `now` may read on; none without a limit.
    fn paid_until(&self, bytes: usize, now: Instant) -> Option<Instant> {
        let cost = Duration::from_secs_f64(bytes as f64 / self.rate? as f64);
        let mut paid = self.paid.lock().unwrap_or_else(PoisonError::into_inner);
        // What was not used before is not saved up.
        *paid = (*paid).max(now) + cost;
        Some(*paid)
    }
}

/// The SHA-256 of a file, in lower-case hexadecimal, when it is `expected` before and after.
///
/// # Errors
///
/// When it is not, when it cannot be read, or when `stop` says so.
pub fn sha256(path: &Path, expected: MemberState, throttle: &Throttle, stop: &Stop) -> Result<String, DigestError> {
    let (mut file, before) = disk::open(path)?;
    if state(&before) != expected {
        return Err(DigestError::Changed);
    }
    let mut hash = Sha256::new();
    let mut chunk = vec![0; CHUNK];
    let mut read = 0u64;
    loop {
        if stop.is_stopped() {
            return Err(DigestError::Stopped);
        }
        let count = match file.read(&mut chunk) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error.into()),
        };
        hash.update(&chunk[..count]);
        read += count as u64;
        throttle.pay(count, stop);
    }
    // By the open file and by its name: it may have been written to, or replaced.
    let by_handle = disk::Stat::of(&file.metadata()?);
    let by_name = disk::Stat::of(&std::fs::metadata(path)?);
    if state(&by_handle) != expected || state(&by_name) != expected || read != expected.size {
        return Err(DigestError::Changed);
    }
    let digest = hash.finalize();
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(path: &Path, state: MemberState) -> Result<String, DigestError> {
        sha256(path, state, &Throttle::new(None), &Stop::default())
    }

    #[test]
    fn all_readers_together_keep_to_the_rate() {
        const RATE: u64 = 10 << 20;
        let throttle = Throttle::new(Some(RATE));
        let begin = Instant::now();
        // Four readers, each of which reads its next piece at once when it may.
        let mut readers = [begin; 4];
        let mut per_second = [0u64; 30];
        for _ in 0..300 {
            let reader = readers.iter_mut().min().expect("a reader");
            let second = reader.duration_since(begin).as_secs() as usize;
            per_second[second] += CHUNK as u64;
            *reader = throttle.paid_until(CHUNK, *reader).expect("a limit");
        }
        // Each reader is a piece ahead at the start.
        let most = RATE + 4 * CHUNK as u64;
        assert!(per_second.iter().all(|bytes| *bytes <= most), "{per_second:?}");
        let whole: u64 = per_second[..20].iter().sum();
        assert!((20 * RATE..=20 * RATE + 4 * CHUNK as u64).contains(&whole), "{whole} bytes in 20 s");
        // What nobody read for an hour is not made up for.
        let later = begin + Duration::from_secs(3600);
        assert_eq!(throttle.paid_until(CHUNK, later), Some(later + Duration::from_millis(100)));
        assert_eq!(Throttle::new(None).paid_until(CHUNK, later), None);
    }

    #[test]
    fn only_what_stands_still_has_a_digest() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("S.wiff");
        std::fs::write(&path, b"abc").expect("written");
        let seen = state(&disk::open(&path).expect("open").1);
        let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(of(&path, seen).expect("a digest"), known);
        assert!(matches!(of(&path, MemberState { size: 4, ..seen }), Err(DigestError::Changed)));
        let stop = Stop::default();
        stop.stop();
        let stopped = sha256(&path, seen, &Throttle::new(Some(1)), &stop);
        assert!(matches!(stopped, Err(DigestError::Stopped)));
        std::fs::remove_file(&path).expect("removed");
        assert!(matches!(of(&path, seen), Err(DigestError::Io(_))));
    }
}
