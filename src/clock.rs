//! Whether something keeps this machine's clock right.

use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Where systemd's time service says that it has set the clock since the machine was started.
const TIMESYNC: &str = "/run/systemd/timesync";

/// An answer is as good as new for so long.
const FRESH: Duration = Duration::from_secs(1);

/// Asks the system, at most once a second.
#[derive(Debug)]
pub struct Clock {
    folder: PathBuf,
    answer: Option<(Instant, Option<bool>)>,
}

impl Default for Clock {
    fn default() -> Self {
        Self { folder: TIMESYNC.into(), answer: None }
    }
}

impl Clock {
    /// Whether the clock is synchronised; `None` where nothing tells, on machines without systemd's time service.
    pub fn is_synchronised(&mut self) -> Option<bool> {
        match self.answer {
            Some((at, answer)) if at.elapsed() < FRESH => answer,
            _ => {
                let answer = self.folder.is_dir().then(|| self.folder.join("synchronized").exists());
                self.answer = Some((Instant::now(), answer));
                answer
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_what_the_time_service_says() {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = |folder: PathBuf| Clock { folder, answer: None };
        assert_eq!(clock(folder.path().join("no-service")).is_synchronised(), None);
        assert_eq!(clock(folder.path().into()).is_synchronised(), Some(false));
        std::fs::write(folder.path().join("synchronized"), "").expect("the mark");
        assert_eq!(clock(folder.path().into()).is_synchronised(), Some(true));
    }
}
