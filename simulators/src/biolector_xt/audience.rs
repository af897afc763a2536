//! Whoever listens to the status stream. Each has a queue of its own, which is bounded.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use instrument_proto::biolector_xt::StatusUpdateStreamResponse;
use instrument_proto::biolector_xt::status_update_stream_response::Update;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio_stream::Stream;
use tonic::Status;

use super::settings::SlowClient;

/// How a stream ends.
#[derive(Debug, Clone)]
enum Ending {
    /// What waits is sent first.
    After(Status),
    /// What waits is lost.
    AtOnce(Status),
}

type Fate = Arc<Mutex<Option<Ending>>>;

#[derive(Debug)]
struct Listener {
    queue: mpsc::Sender<Update>,
    fate: Fate,
}

impl Listener {
    fn end(&self, ending: Ending) {
        *self.fate.lock().unwrap_or_else(PoisonError::into_inner) = Some(ending);
    }
}

/// All listeners.
#[derive(Debug)]
pub(super) struct Audience {
    listeners: Mutex<Vec<Listener>>,
    queue: usize,
    slow: SlowClient,
}

impl Audience {
    pub fn new(queue: usize, slow: SlowClient) -> Audience {
        Audience { listeners: Mutex::new(Vec::new()), queue, slow }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Listener>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody listens, from now on.
    pub fn join(&self) -> Updates {
        let (sender, queue) = mpsc::channel(self.queue);
        let fate = Fate::default();
        self.lock().push(Listener { queue: sender, fate: fate.clone() });
        Updates { queue, fate, over: false }
    }

    pub fn size(&self) -> usize {
        self.lock().iter().filter(|listener| !listener.queue.is_closed()).count()
    }

    /// Tells everybody. Waits for the slow where that was agreed, and says whether it did.
    pub async fn tell(&self, update: Update) -> bool {
        let mut waiting = Vec::new();
        self.lock().retain(|listener| match listener.queue.try_send(update.clone()) {
            Ok(()) => true,
            Err(TrySendError::Closed(_)) => false,
            Err(TrySendError::Full(_)) if self.slow == SlowClient::Wait => {
                waiting.push(listener.queue.clone());
                true
            }
            Err(TrySendError::Full(_)) => {
                let text = format!(
                    "{} updates wait for this client, which takes them too slowly; its stream ends",
                    self.queue
                );
                listener.end(Ending::After(Status::resource_exhausted(text)));
                false
            }
        });
        let waited = !waiting.is_empty();
        for queue in waiting {
            // Who is gone meanwhile is told nothing.
            let _ = queue.send(update.clone()).await;
        }
        waited
    }

    /// Ends all streams; what is on its way is lost.
    pub fn cut(&self) {
        for listener in self.lock().drain(..) {
            listener.end(Ending::AtOnce(Status::unavailable("the stream is cut")));
        }
    }
}

/// The updates for one listener.
#[derive(Debug)]
pub(super) struct Updates {
    queue: mpsc::Receiver<Update>,
    fate: Fate,
    over: bool,
}

impl Stream for Updates {
    type Item = Result<StatusUpdateStreamResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.over {
            return Poll::Ready(None);
        }
        let ending = self.fate.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(Ending::AtOnce(status)) = ending {
            self.over = true;
            return Poll::Ready(Some(Err(status)));
        }
        match self.queue.poll_recv(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(update)) => Poll::Ready(Some(Ok(StatusUpdateStreamResponse { update: Some(update) }))),
            Poll::Ready(None) => {
                self.over = true;
                // It may have been decided while this looked into the queue.
                let ending = self.fate.lock().unwrap_or_else(PoisonError::into_inner).take();
                Poll::Ready(ending.map(|(Ending::After(status) | Ending::AtOnce(status))| Err(status)))
            }
        }
    }
}
