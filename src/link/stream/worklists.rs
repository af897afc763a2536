//! Worklists that the configuration names: small files that the control software writes anew for each run.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::StreamEvent;

/// A worklist is text with a line for each pipetting step; one that is larger is something else.
const LARGEST: u64 = 1 << 20;

/// How often is looked whether one changed.
const LOOK: Duration = Duration::from_secs(2);

/// How long the first look may take: a dead network mount must not keep the line closed.
const FIRST_LOOK: Duration = Duration::from_secs(2);

/// What is known of one.
#[derive(Debug, Clone)]
struct Watched {
    path: PathBuf,
    print: Option<Print>,
    failed: bool,
}

/// By what a changed file is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Print {
    modified: SystemTime,
    length: u64,
}

/// Looks after them; all reading is done on a thread where it may block.
#[derive(Debug)]
pub(super) struct Worklists {
    watched: Vec<Watched>,
    next: Option<Instant>,
    looking: Option<JoinHandle<(Vec<Watched>, Vec<StreamEvent>)>>,
}

impl Worklists {
    pub(super) fn new(paths: Vec<PathBuf>) -> Self {
        let watched = paths.into_iter().map(|path| Watched { path, print: None, failed: false }).collect();
        Self { watched, next: None, looking: None }
    }

    /// What is there when the line is about to be opened, if it can be read soon.
    pub(super) async fn first_look(&mut self) -> Vec<StreamEvent> {
        if self.watched.is_empty() {
            return Vec::new();
        }
        self.next = None;
        tokio::time::timeout(FIRST_LOOK, self.look()).await.unwrap_or_default()
    }

    /// What has changed; waits until something has. Cancel-safe.
    pub(super) async fn changed(&mut self) -> Vec<StreamEvent> {
        if self.watched.is_empty() {
            return std::future::pending().await;
        }
        loop {
            let news = self.look().await;
            if !news.is_empty() {
                return news;
            }
        }
    }

    /// One look, at its time.
    async fn look(&mut self) -> Vec<StreamEvent> {
        if let Some(next) = self.next.filter(|_| self.looking.is_none()) {
            tokio::time::sleep_until(next).await;
        }
        let watched = &self.watched;
        let looking = self.looking.get_or_insert_with(|| {
            let watched = watched.clone();
            tokio::task::spawn_blocking(move || look_at(watched))
        });
        let looked = looking.await;
        self.looking = None;
        self.next = Some(Instant::now() + LOOK);
        // A look that panicked found nothing.
        let Ok((watched, news)) = looked else { return Vec::new() };
        self.watched = watched;
        news
    }
}

fn look_at(mut watched: Vec<Watched>) -> (Vec<Watched>, Vec<StreamEvent>) {
    let mut news = Vec::new();
    for one in &mut watched {
        let path = one.path.display().to_string();
        match read_changed(&one.path, one.print) {
            Ok(None) => {}
            Ok(Some((print, bytes))) => {
                (one.print, one.failed) = (Some(print), false);
                news.push(StreamEvent::Worklist { path, bytes });
            }
            Err(error) => {
                one.print = None;
                if !std::mem::replace(&mut one.failed, true) {
                    news.push(StreamEvent::WorklistUnreadable { path, reason: error.to_string() });
                }
            }
        }
    }
    (watched, news)
}

fn read_changed(path: &Path, known: Option<Print>) -> std::io::Result<Option<(Print, Vec<u8>)>> {
    let mut file = std::fs::File::open(path)?;
    let print = print_of(&file.metadata()?)?;
    if known == Some(print) {
        return Ok(None);
    }
    if print.length > LARGEST {
        let text = format!("it has {} bytes; a worklist has at most {LARGEST}", print.length);
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, text));
    }
    let mut bytes = Vec::new();
    file.by_ref().take(LARGEST).read_to_end(&mut bytes)?;
    // One that is being written is read again at the next look, since its print is another then.
    Ok(Some((print, bytes)))
}

fn print_of(metadata: &std::fs::Metadata) -> std::io::Result<Print> {
    Ok(Print { modified: metadata.modified()?, length: metadata.len() })
}
