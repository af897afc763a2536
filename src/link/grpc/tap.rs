//! A tap: records each message that passes over a link's connections, exactly as it is encoded, beside its way.
//!
//! It stands between the client and the connection, so that no call passes it by, and sees bodies alone: a token is in none
//! of them, and where a service says it back it is masked. A body is passed on message by message, so that one is recorded when
//! it is taken out of the connection.
//!
//! Questions are answered beside a stream, and what they were is taken up when there is time: so what came waits with its
//! [`Receipt`] until whoever asked takes it, and stands in the recording in that order and with that time. A replay then gives
//! it to the driver as the link did.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::Frame;
use instrument_proto::codec::capture::NoteKind;
use instrument_proto::codec::grpc::{Messages, TooLarge};
use jiff::Timestamp;
use tokio_util::either::Either;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tonic::codegen::{BoxFuture, Service};
use tonic::transport::Channel;
use tonic::{Code, Status};

use super::Bearer;
use crate::config::streams::CaptureSettings;
use crate::driver::Direction;
use crate::event::DeviceId;
use crate::link::recorder::{Describe, Happening, Recorder, now};

/// What waits with one receipt; more is recorded as it comes.
const WAITING: usize = 16;

/// The longest text of a decoded message.
const SHOWN: usize = 240;

/// What stands before messages that came and were not taken any more.
const NOT_TAKEN: &str = "what follows came and was not taken any more";

/// Records what passes over a link's connections. Clones are the same tap.
#[derive(Debug, Clone)]
pub struct Tap(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    recorder: Mutex<Recorder>,
    calls: AtomicU64,
}

impl Tap {
    /// A tap that records with `recorder`.
    pub fn new(recorder: Recorder) -> Self {
        Self(Arc::new(Inner { recorder: Mutex::new(recorder), calls: AtomicU64::new(0) }))
    }

    /// A tap that records into files, as `settings` say, the link `link` of `device`; `describe` says what a person can read.
    pub fn start(settings: CaptureSettings, device: &DeviceId, link: &str, describe: Describe) -> Option<Self> {
        Recorder::start(settings, device.as_str(), link, Some(describe)).map(Self::new)
    }

    /// Records that something happened to the link.
    pub fn note(&self, at: Timestamp, kind: NoteKind, text: &str) {
        self.record(Happening::Note { at, source: None, kind, text: text.to_owned() });
    }

    pub(crate) fn record(&self, happening: Happening) {
        self.recorder().record(happening);
    }

    /// Records what was taken at this moment, what `note` says of it, and then does what follows from it: nothing is recorded
    /// between the two, so that it follows in the order of the recording.
    pub(crate) fn take(&self, at: Timestamp, receipts: &[Receipt], note: Option<Happening>, then: impl FnOnce()) {
        let mut recorder = self.recorder();
        for receipt in receipts {
            receipt.0.pending().drain(..).for_each(|happening| recorder.record(moved(happening, at)));
        }
        if let Some(note) = note {
            recorder.record(note);
        }
        then();
    }

    fn recorder(&self) -> MutexGuard<'_, Recorder> {
        self.0.recorder.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A decoded message for a person: printable ASCII, and no longer than is read at a glance.
pub(crate) fn shown(message: &impl std::fmt::Debug) -> String {
    let text: String = format!("{message:?}").chars().flat_map(char::escape_default).take(SHOWN).collect();
    text.replace("\\\"", "\"").replace("\\\'", "'")
}

/// It, at another time.
fn moved(happening: Happening, at: Timestamp) -> Happening {
    match happening {
        Happening::Bytes { source, direction, offset, bytes, .. } => {
            Happening::Bytes { at, source, direction, offset, bytes }
        }
        Happening::Note { source, kind, text, .. } => Happening::Note { at, source, kind, text },
        remark @ Happening::Remark(_) => remark,
    }
}

/// Stands for what came of one call and was not taken yet; among the extensions of its answer where there is a tap. What was
/// not taken when the last of its clones is dropped is recorded then: as taken where nobody claimed the receipt, else after a
/// note that nobody took it.
#[derive(Debug, Clone)]
pub struct Receipt(Arc<Unclaimed>);

#[derive(Debug)]
struct Unclaimed {
    call: Arc<Call>,
    happenings: Mutex<Vec<Happening>>,
    is_claimed: AtomicBool,
}

impl Receipt {
    /// Claims the receipt of an answer; `None` where nothing is recorded.
    pub fn of<T>(answer: &tonic::Response<T>) -> Option<Self> {
        let receipt = answer.extensions().get::<Self>().cloned()?;
        receipt.0.is_claimed.store(true, Ordering::Relaxed);
        Some(receipt)
    }

    fn new(call: &Arc<Call>) -> Self {
        let (happenings, is_claimed) = (Mutex::new(Vec::new()), AtomicBool::new(false));
        Self(Arc::new(Unclaimed { call: call.clone(), happenings, is_claimed }))
    }
}

impl Unclaimed {
    fn pending(&self) -> MutexGuard<'_, Vec<Happening>> {
        self.happenings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Unclaimed {
    fn drop(&mut self) {
        let happenings = std::mem::take(&mut *self.pending());
        let is_message = |happening: &Happening| matches!(happening, Happening::Bytes { .. });
        if self.is_claimed.load(Ordering::Relaxed) && happenings.iter().any(is_message) {
            self.call.said(NoteKind::Closed, NOT_TAKEN.to_owned(), &Weak::new());
        }
        happenings.into_iter().for_each(|happening| self.call.tap.tap.record(happening));
    }
}

/// A connection, with its tap where there is one.
#[derive(Debug, Clone)]
pub struct Tapped {
    channel: Channel,
    tap: Option<Arc<OfConnection>>,
}

/// The tap of one connection.
struct OfConnection {
    tap: Tap,
    secret: Option<Box<str>>,
    max_message: usize,
}

/// Its secret is shown nowhere.
impl std::fmt::Debug for OfConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OfConnection").finish_non_exhaustive()
    }
}

impl Tapped {
    pub(super) fn new(channel: Channel, tap: Option<&Tap>, bearer: &Bearer, max_message: usize) -> Self {
        let tap = tap.cloned().map(|tap| {
            let secret = bearer.token().filter(|token| !token.is_empty()).map(Into::into);
            Arc::new(OfConnection { tap, secret, max_message })
        });
        Self { channel, tap }
    }
}

impl Service<Request<Body>> for Tapped {
    type Response = Response<Body>;
    type Error = tonic::transport::Error;
    type Future = Either<<Channel as Service<Request<Body>>>::Future, BoxFuture<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.channel.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let Some(tap) = self.tap.clone() else { return Either::Left(self.channel.call(request)) };
        let number = tap.tap.0.calls.fetch_add(1, Ordering::Relaxed) + 1;
        let method = request.uri().path().rsplit('/').next().unwrap_or_default();
        let call = Arc::new(Call { name: format!("{number}/{method}").into(), tap });
        let request = request.map(|body| call.overhear(body, Direction::ToInstrument, Weak::new()));
        let answer = self.channel.call(request);
        Either::Right(Box::pin(async move {
            let mut answer = match answer.await {
                Ok(answer) => answer,
                Err(error) => {
                    call.failed(&Status::from_error(Box::new(Shown(error.to_string()))), &Weak::new());
                    return Err(error);
                }
            };
            let receipt = Receipt::new(&call);
            let waiting = Arc::downgrade(&receipt.0);
            answer.extensions_mut().insert(receipt);
            // A call that fails at once has no body: its head says why.
            if let Some(status) = Status::from_header_map(answer.headers()) {
                call.ended(&status, &waiting);
            }
            Ok(answer.map(|body| call.overhear(body, Direction::FromInstrument, waiting)))
        }))
    }
}

/// An error's text.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Shown(String);

/// One call.
#[derive(Debug)]
struct Call {
    /// Its number and method: the source under which it is recorded.
    name: Arc<str>,
    tap: Arc<OfConnection>,
}

impl Call {
    fn overhear(self: &Arc<Self>, body: Body, direction: Direction, waiting: Weak<Unclaimed>) -> Body {
        let (messages, ended) = (Messages::default(), false);
        Body::new(Overheard { body, messages, is_plain: false, ended, call: self.clone(), direction, waiting })
    }

    fn record(&self, happening: Happening, waiting: &Weak<Unclaimed>) {
        if let Some(unclaimed) = waiting.upgrade() {
            let mut pending = unclaimed.pending();
            if pending.len() < WAITING {
                pending.push(happening);
                return;
            }
        }
        self.tap.tap.record(happening);
    }

    fn message(&self, direction: Direction, message: &[u8], waiting: &Weak<Unclaimed>) {
        let mut bytes = message.to_vec();
        self.mask(&mut bytes);
        let source = Some(self.name.clone());
        self.record(Happening::Bytes { at: now(), source, direction, offset: 0, bytes }, waiting);
    }

    /// Says how a call ended: one that failed, and a stream.
    fn ended(&self, status: &Status, waiting: &Weak<Unclaimed>) {
        if status.code() != Code::Ok || waiting.strong_count() == 0 {
            self.failed(status, waiting);
        }
    }

    fn failed(&self, status: &Status, waiting: &Weak<Unclaimed>) {
        let mut text = match status.message() {
            "" => format!("{:?}", status.code()),
            message => format!("{:?}: {message}", status.code()),
        };
        if let Some(secret) = &self.tap.secret {
            text = text.replace(&**secret, &"*".repeat(secret.len()));
        }
        self.said(NoteKind::Closed, text, waiting);
    }

    fn said(&self, kind: NoteKind, text: String, waiting: &Weak<Unclaimed>) {
        self.record(Happening::Note { at: now(), source: Some(self.name.clone()), kind, text }, waiting);
    }

    /// Puts stars in the place of the token.
    fn mask(&self, bytes: &mut [u8]) {
        let Some(secret) = self.tap.secret.as_deref().map(str::as_bytes) else { return };
        let mut at = 0;
        while let Some(place) = bytes.get_mut(at..at + secret.len()) {
            if place == secret {
                place.fill(b'*');
            }
            at += 1;
        }
    }
}

/// A body that is recorded message by message.
struct Overheard {
    body: Body,
    messages: Messages,
    /// Whether the rest is passed on as it comes: it is no sequence of messages.
    is_plain: bool,
    ended: bool,
    call: Arc<Call>,
    direction: Direction,
    waiting: Weak<Unclaimed>,
}

impl Overheard {
    fn rest(&mut self) -> Option<Frame<Bytes>> {
        let rest = self.messages.rest();
        (!rest.is_empty()).then(|| Frame::data(rest))
    }
}

impl http_body::Body for Overheard {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = &mut *self;
        loop {
            if this.is_plain {
                if let Some(rest) = this.rest() {
                    return Poll::Ready(Some(Ok(rest)));
                }
            } else {
                match this.messages.next(this.call.tap.max_message) {
                    Ok(Some(message)) => {
                        this.call.message(this.direction, &message, &this.waiting);
                        return Poll::Ready(Some(Ok(Frame::data(message))));
                    }
                    Ok(None) => {}
                    Err(TooLarge { length }) => {
                        let text = format!("a message of {length} bytes, which is more than is accepted");
                        this.call.said(NoteKind::Lost, text, &this.waiting);
                        this.is_plain = true;
                        continue;
                    }
                }
            }
            if this.ended {
                return Poll::Ready(None);
            }
            match ready!(Pin::new(&mut this.body).poll_frame(context)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => this.messages.feed(&data),
                    Err(frame) => {
                        if let Some(status) = frame.trailers_ref().and_then(Status::from_header_map) {
                            this.call.ended(&status, &this.waiting);
                        }
                        return Poll::Ready(Some(Ok(frame)));
                    }
                },
                Some(Err(status)) => {
                    this.call.failed(&status, &this.waiting);
                    return Poll::Ready(Some(Err(status)));
                }
                None => (this.ended, this.is_plain) = (true, true),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::recorder::{Happenings, Recorder};

    fn call(secret: Option<&str>) -> (Arc<Call>, Happenings) {
        let (recorder, happenings) = Recorder::new(None);
        let tap = Tap::new(recorder);
        let tap = Arc::new(OfConnection { tap, secret: secret.map(Into::into), max_message: 100 });
        (Arc::new(Call { name: "1/Ask".into(), tap }), happenings)
    }

    async fn text(call: Arc<Call>, mut happenings: Happenings) -> String {
        drop(call);
        let mut text = Vec::new();
        while happenings.next(&mut text).await.is_some() {}
        String::from_utf8(text).expect("ASCII")
    }

    #[tokio::test]
    async fn what_came_stands_where_it_was_taken() {
        let (call, happenings) = call(None);
        let mut answer = tonic::Response::new(());
        answer.extensions_mut().insert(Receipt::new(&call));
        let receipt = Receipt::of(&answer).expect("a receipt");
        drop(answer);
        let waiting = Arc::downgrade(&receipt.0);
        call.message(Direction::FromInstrument, b"first", &waiting);
        call.message(Direction::FromInstrument, b"meanwhile", &Weak::new());
        let at: Timestamp = "2026-03-02T07:00:00Z".parse().expect("a time");
        call.tap.tap.take(at, std::slice::from_ref(&receipt), None, || {});
        call.message(Direction::FromInstrument, b"never taken", &waiting);
        drop(receipt);
        call.message(Direction::FromInstrument, b"last", &waiting);
        let text = text(call, happenings).await;
        let said: Vec<&str> = text.lines().filter_map(|line| line.split(" 0 ").nth(1)).collect();
        assert_eq!(said, ["meanwhile", "first", "never taken", "last"]);
        assert!(text.contains("2026-03-02T07:00:00.000000Z < @1/Ask 0 first\n"), "{text}");
        let before = text.lines().position(|line| line.ends_with(NOT_TAKEN)).expect("a note");
        assert!(text.lines().nth(before + 1).is_some_and(|line| line.ends_with("never taken")), "{text}");
    }

    #[tokio::test]
    async fn a_token_that_is_said_back_is_masked() {
        let (call, happenings) = call(Some("geheim"));
        call.message(Direction::FromInstrument, b"no geheimgeheim is known", &Weak::new());
        call.failed(&Status::unauthenticated("geheim is no token"), &Weak::new());
        let text = text(call, happenings).await;
        assert!(text.contains("no ************ is known") && text.contains("****** is no token"), "{text}");
        assert!(!text.contains("geheim"), "{text}");
    }
}
