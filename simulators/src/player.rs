//! Plays an instrument's steps into a folder, at any speed.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use crate::control::{Control, Counter, Responsiveness};
pub use crate::pace::Pace;
use crate::pace::Shared;

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
        let shared = Arc::new(Shared::default());
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
        self.0.stop();
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
        self.shared.set_responsiveness(responsiveness);
    }

    fn set_slowness(&self, factor: f64) {
        self.shared.set_slowness(factor);
    }

    fn single_step(&self) {
        self.shared.single_step();
    }

    fn step(&self) {
        self.shared.step();
    }

    fn free_run(&self) {
        self.shared.free_run();
    }

    fn steps(&self) -> &Counter {
        self.shared.steps()
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
        shared.steps().add(1);
        // Nobody listens any more once the receiver is gone; the instrument goes on writing all the same.
        let _ = done.send(step);
    }
    Ok(())
}
