//! Threads that make digests: so many at a time, each member once, the results in the order in which they are done.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use super::digests::{DigestError, Stop, Throttle, sha256};
use super::worker::Wake;
use crate::driver::set::{Hashed, MemberSeen, SetName};

/// A member to be read.
#[derive(Debug)]
pub struct Job {
    /// Its set.
    pub set: SetName,
    /// The member as it must be.
    pub member: MemberSeen,
    /// Where it is.
    pub file: Arc<Path>,
    /// The request that it belongs to.
    pub round: u64,
    /// The last request for this set: an older job is void.
    pub current: Arc<AtomicU64>,
}

/// What became of a job.
#[derive(Debug)]
pub struct Done {
    /// The set.
    pub set: SetName,
    /// Its digest, or why there is none.
    pub result: Result<Hashed, DigestError>,
    /// Where the file is.
    pub file: Arc<Path>,
    /// The request that it belongs to.
    pub round: u64,
}

/// The threads. They end when it is dropped, at the next piece that they read.
#[derive(Debug)]
pub struct Pool {
    /// Jobs wait here without a limit: there are as many as members of the sets that are whole and wait for nothing else, whose number is
    /// bounded.
    jobs: Sender<Job>,
    stop: Arc<Stop>,
}

impl Pool {
    /// Starts `parallel` threads that ring at `wakes`.
    pub fn new(parallel: usize, throttle: Throttle, wakes: &std::sync::mpsc::SyncSender<Wake>) -> Self {
        let (jobs, waiting) = channel();
        let waiting = Arc::new(Mutex::new(waiting));
        let (stop, throttle) = (Arc::new(Stop::default()), Arc::new(throttle));
        for number in 0..parallel.max(1) {
            let (waiting, stop, throttle, wakes) = (waiting.clone(), stop.clone(), throttle.clone(), wakes.clone());
            let work = move || {
                while let Some(job) = next(&waiting) {
                    if job.current.load(Ordering::Relaxed) != job.round {
                        continue;
                    }
                    let result = sha256(&job.file, job.member.state, &throttle, &stop);
                    if stop.is_stopped() {
                        return;
                    }
                    let (kind, at, state) = (job.member.kind, job.member.at, job.member.state);
                    let result = result.map(|sha256| Hashed { kind, at, state, sha256 });
                    let done = Done { set: job.set, result, file: job.file, round: job.round };
                    if wakes.send(Wake::Hashed(Box::new(done))).is_err() {
                        return;
                    }
                }
            };
            if let Err(error) = std::thread::Builder::new().name(format!("digest-{number}")).spawn(work) {
                tracing::error!(%error, "A thread for digests could not be started.");
            }
        }
        Self { jobs, stop }
    }

    /// Adds a job.
    pub fn add(&self, job: Job) {
        // The threads end only with the pool.
        let _ = self.jobs.send(job);
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.stop.stop();
    }
}

fn next(waiting: &Mutex<Receiver<Job>>) -> Option<Job> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}
