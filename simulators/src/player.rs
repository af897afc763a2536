//! Plays an instrument's steps into a folder, at any speed.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::control::{Control, Counter, Responsiveness};

/// How fast the instrument's time runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// So many of its seconds in one of ours; 1 is real time.
    Times(f64),
    /// Without any waiting.
    Max,
}

/// A step that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write '{path}': {source}; see that the folder exists, is writable and has room")]
pub struct WriteError {
    pub(crate) path: PathBuf,
    pub(crate) source: io::Error,
}

/// One thing that an instrument does to its files.
pub trait Act: Send + 'static {
    /// When, in seconds of the instrument.
    fn at(&self) -> f64;

    /// Does it in a folder.
    ///
    /// # Errors
    /// [`WriteError`] names the file and what the system said.
    fn act(&self, folder: &Path) -> Result<(), WriteError>;
}

#[derive(Debug)]
struct Switches {
    responsive: bool,
    slowness: f64,
    /// Steps that may still be done; `None` while it runs freely.
    allowed: Option<u64>,
    stopped: bool,
}

#[derive(Debug)]
struct Shared {
    switches: Mutex<Switches>,
    changed: Condvar,
    steps: Counter,
}

impl Shared {
    /// Each switch is whole at any moment, so a holder that panicked left them usable.
    fn lock(&self) -> MutexGuard<'_, Switches> {
        self.switches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, change: impl FnOnce(&mut Switches)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    /// Waits until the next step is due and allowed; false when the player was stopped.
    fn wait_for_turn(&self, seconds: f64, pace: Pace) -> bool {
        let mut left = match pace {
            Pace::Times(times) => {
                Duration::try_from_secs_f64(seconds.max(0.0) / times.max(1e-6)).unwrap_or(Duration::MAX)
            }
            Pace::Max => Duration::ZERO,
        };
        let mut switches = self.lock();
        left = left.mul_f64(switches.slowness.clamp(0.001, 1e6));
        loop {
            if switches.stopped {
                return false;
            }
            let held = !switches.responsive || switches.allowed == Some(0);
            if held {
                switches = self.changed.wait(switches).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            if let Some(allowed) = &mut switches.allowed {
                // Single steps come when they are asked for, not when they are due.
                *allowed -= 1;
                return true;
            }
            if left.is_zero() {
                return true;
            }
            let begin = std::time::Instant::now();
            switches = self.changed.wait_timeout(switches, left).unwrap_or_else(PoisonError::into_inner).0;
            left = left.saturating_sub(begin.elapsed());
        }
    }
}

/// An instrument at work: a thread that writes into a folder until its run is over or it is dropped.
#[derive(Debug)]
pub struct Player<S> {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<Result<(), WriteError>>>,
    done: Receiver<S>,
}

impl<S: Act> Player<S> {
    /// Starts to write the run into the folder.
    ///
    /// `remembered` is how many steps may be done that nobody took from [`Player::done`]: beyond that the instrument waits.
    pub fn start(
        run: impl Iterator<Item = S> + Send + 'static,
        folder: PathBuf,
        pace: Pace,
        remembered: usize,
    ) -> Player<S> {
        let switches = Switches { responsive: true, slowness: 1.0, allowed: None, stopped: false };
        let shared =
            Arc::new(Shared { switches: Mutex::new(switches), changed: Condvar::new(), steps: Counter::default() });
        let (sender, done) = sync_channel(remembered);
        let theirs = shared.clone();
        let thread = std::thread::spawn(move || play(run, &folder, pace, &theirs, &sender));
        Player { shared, thread: Some(thread), done }
    }

    /// The steps that were done, in order; ends with the run.
    pub fn done(&self) -> &Receiver<S> {
        &self.done
    }

    /// Stops at the next step, as if the instrument were switched off.
    pub fn stop(&self) {
        self.switch().off();
    }

    /// A switch for somebody else to stop it with.
    pub fn switch(&self) -> Switch {
        Switch(self.shared.clone())
    }

    /// Waits for the end of the run.
    ///
    /// # Errors
    /// [`WriteError`] where a step could not be written; the run ended there.
    pub fn join(mut self) -> Result<(), WriteError> {
        // Whoever joins no longer listens; the thread must not wait for them.
        let (_, nobody) = sync_channel(0);
        drop(std::mem::replace(&mut self.done, nobody));
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => Ok(()),
        }
    }
}

/// Switches an instrument off from another thread.
#[derive(Debug, Clone)]
pub struct Switch(Arc<Shared>);

impl Switch {
    /// Stops it at its next step.
    pub fn off(&self) {
        self.0.set(|switches| switches.stopped = true);
    }
}

impl<S> Drop for Player<S> {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            Switch(self.shared.clone()).off();
            let (_, nobody) = sync_channel(0);
            drop(std::mem::replace(&mut self.done, nobody));
            // A failure to write has been nobody's concern until now, and is not in a destructor either.
            let _ = thread.join();
        }
    }
}

impl<S> Control for Player<S> {
    fn set_responsiveness(&self, responsiveness: Responsiveness) {
        self.shared.set(|switches| switches.responsive = responsiveness == Responsiveness::Responsive);
    }

    fn set_slowness(&self, factor: f64) {
        self.shared.set(|switches| switches.slowness = factor);
    }

    fn single_step(&self) {
        self.shared.set(|switches| switches.allowed = Some(0));
    }

    fn step(&self) {
        self.shared.set(|switches| switches.allowed = Some(switches.allowed.unwrap_or(0) + 1));
    }

    fn free_run(&self) {
        self.shared.set(|switches| switches.allowed = None);
    }

    fn steps(&self) -> &Counter {
        &self.shared.steps
    }
}

fn play<S: Act>(
    run: impl Iterator<Item = S>,
    folder: &Path,
    pace: Pace,
    shared: &Shared,
    done: &SyncSender<S>,
) -> Result<(), WriteError> {
    let mut at = 0.0;
    for step in run {
        if !shared.wait_for_turn(step.at() - at, pace) {
            break;
        }
        at = step.at();
        step.act(folder)?;
        shared.steps.add(1);
        // Nobody listens any more once the receiver is gone; the instrument goes on writing all the same.
        let _ = done.send(step);
    }
    Ok(())
}
