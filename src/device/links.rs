//! The links of one device: what they say comes to its actor one after the other.

use std::task::{Context, Poll};

use tokio::sync::{mpsc, watch};

use super::actor::Line;
use crate::driver::SourceName;
use crate::driver::biolector_xt::Heard;
use crate::link::biolector_xt::{Told, XtEvent, XtLink};
use crate::link::device_service::{ServiceEvent, ServiceInlet, ServiceLink};
use crate::link::files::{FileLink, LinkEvent, LinkStatus};
use crate::link::filesets::{FileSetLink, SetEvent};
use crate::link::stream::{Inlet, StreamEvent, StreamLink};

/// The name of the file link, under which the journal keeps its positions.
pub const FILES: &str = "files";

/// What one of the links says.
pub enum Said {
    /// The file link.
    Files(LinkEvent),
    /// The file-set link.
    Sets(SetEvent),
    /// The line.
    Stream(StreamEvent),
    /// The device service.
    Service(ServiceEvent),
    /// The remote interface of a BioLector XT: all that its stream said meanwhile.
    Heard(Vec<Heard>),
    /// Anything else of it.
    Xt(Told),
}

/// The links that a device has.
#[derive(Default)]
pub struct Links {
    /// A folder.
    pub files: Option<(FileLink, mpsc::Receiver<LinkEvent>)>,
    /// Trees of file sets.
    pub sets: Option<(FileSetLink, mpsc::Receiver<SetEvent>)>,
    /// A line.
    pub stream: Option<(StreamLink, Inlet)>,
    /// What is known of the line.
    pub line: Option<Line>,
    /// A device service.
    pub service: Option<(ServiceLink, ServiceInlet)>,
    /// The remote interface of a BioLector XT.
    pub xt: Option<Remote>,
}

/// The remote interface of a BioLector XT.
pub struct Remote {
    link: XtLink,
    events: mpsc::Receiver<Told>,
    /// What was taken out of the channel and belongs to the next input.
    next: Option<Told>,
}

/// Items of the stream that are given to the driver at once, and committed as one.
const TOGETHER: usize = 1024;

impl Remote {
    /// The link with what it says.
    pub fn new((link, events): (XtLink, mpsc::Receiver<Told>)) -> Self {
        Self { link, events, next: None }
    }

    /// The link.
    pub fn link(&self) -> &XtLink {
        &self.link
    }

    /// What is said next: items of the stream that wait come together, without waiting for any.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Said>> {
        let first = match self.next.take() {
            Some(event) => event,
            None => match self.events.poll_recv(context) {
                Poll::Ready(Some(event)) => event,
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => return Poll::Pending,
            },
        };
        let Told { at, event: XtEvent::Heard(update) } = first else { return Poll::Ready(Some(Said::Xt(first))) };
        let mut heard = vec![Heard { at, update }];
        while heard.len() < TOGETHER {
            match self.events.try_recv() {
                Ok(Told { at, event: XtEvent::Heard(update) }) => heard.push(Heard { at, update }),
                Ok(other) => {
                    self.next = Some(other);
                    break;
                }
                Err(_) => break,
            }
        }
        Poll::Ready(Some(Said::Heard(heard)))
    }
}

impl Links {
    /// What is said next; `None` when a link has ended. Cancel-safe.
    pub async fn next(&mut self) -> Option<Said> {
        std::future::poll_fn(|context| self.poll(context)).await
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Said>> {
        if let Some((_, events)) = &mut self.files
            && let Poll::Ready(event) = events.poll_recv(context)
        {
            return Poll::Ready(event.map(Said::Files));
        }
        if let Some((_, events)) = &mut self.sets
            && let Poll::Ready(event) = events.poll_recv(context)
        {
            return Poll::Ready(event.map(Said::Sets));
        }
        if let Some((_, inlet)) = &mut self.stream
            && let Poll::Ready(event) = inlet.poll_next(context)
        {
            return Poll::Ready(event.map(Said::Stream));
        }
        if let Some((_, inlet)) = &mut self.service
            && let Poll::Ready(event) = inlet.poll_next(context)
        {
            return Poll::Ready(event.map(Said::Service));
        }
        if let Some(remote) = &mut self.xt
            && let Poll::Ready(said) = remote.poll(context)
        {
            return Poll::Ready(said);
        }
        Poll::Pending
    }

    /// Has a source read again from its start. A line that is not a trace has no start to go back to.
    pub fn reread(&self, source: &SourceName) {
        if let Some((link, _)) = &self.files {
            link.reread(source);
        }
        if let Some((link, _)) = &self.sets {
            link.reread(source);
        }
        if let Some((link, _)) = &self.stream {
            link.reread();
        }
    }

    /// What the link to folders is doing, where there is one.
    pub fn status(&self) -> Option<watch::Receiver<LinkStatus>> {
        let files = self.files.as_ref().map(|(link, _)| link.status());
        files.or_else(|| self.sets.as_ref().map(|(link, _)| link.status()))
    }

    /// Stops all of them.
    pub fn stop(&self) {
        if let Some((link, _)) = &self.files {
            link.stop();
        }
        if let Some((link, _)) = &self.sets {
            link.stop();
        }
        if let Some((link, _)) = &self.stream {
            link.stop();
        }
        if let Some((link, _)) = &self.service {
            link.stop();
        }
        if let Some(remote) = &self.xt {
            remote.link.stop();
        }
    }
}
