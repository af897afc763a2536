//! The life of a line: opened, read until it is lost, opened again; for ever.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use instrument_proto::codec::capture::NoteKind;
use jiff::Timestamp;
use tokio::io::{AsyncWriteExt as _, WriteHalf};
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::flow::Ports;
use super::inlet::{Gone, Outlet};
use super::open::{Duplex, Incoming, Open, OpenLine, Unreachable};
use super::worklists::Worklists;
use super::{Origin, Piece, StreamEvent, Write};
use crate::driver::{Direction, Mode};
use crate::link::backoff::Backoff;
use crate::link::recorder::{Happening, Recorder, now};

/// The first wait before a line is opened again, and the longest: a replugged adapter is to be seen within two seconds,
/// opening included.
const WAITS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_millis(1500));

/// How long a line may take what is written to it; the longest command takes a tenth of a second at 9600 baud.
const WRITING: Duration = Duration::from_secs(5);

/// Where the actor needed longer than this to hear of an opening, the kernel's buffer may have overflowed unseen.
const LATE: Duration = Duration::from_millis(100);

/// How often is looked whether the actor has caught up after bytes were dropped.
const LOOK: Duration = Duration::from_millis(20);

/// Keeps the line of `opener` open until `stop`.
pub(super) async fn run<O: Open>(
    opener: O,
    mode: Mode,
    outlet: Outlet,
    writes: mpsc::Receiver<Write>,
    worklists: Worklists,
    recorder: Option<Recorder>,
    (stop, again): (CancellationToken, Arc<Notify>),
) {
    let mut session = Session { opener, mode, outlet, writes, worklists, recorder, again };
    // It ends only when it is told to, or when nobody receives any more.
    let _ = stop.run_until_cancelled(session.keep_open()).await;
}

struct Session<O> {
    opener: O,
    mode: Mode,
    outlet: Outlet,
    writes: mpsc::Receiver<Write>,
    worklists: Worklists,
    recorder: Option<Recorder>,
    again: Arc<Notify>,
}

impl<O: Open> Session<O> {
    async fn keep_open(&mut self) -> Result<(), Gone> {
        let mut backoff = Backoff::new(WAITS.0, WAITS.1);
        let mut said: Option<Unreachable> = None;
        loop {
            for news in self.worklists.first_look().await {
                self.outlet.tell(news).await?;
            }
            match self.opener.open().await {
                Ok(opened) => {
                    said = None;
                    let place = opened.place.clone();
                    let (read, error) = self.follow(opened).await?;
                    if read > 0 {
                        backoff.reset();
                    }
                    let reason = reason(&error);
                    self.note(NoteKind::Closed, &reason);
                    let closed = StreamEvent::Closed { place, reason, remedy: remedy() };
                    self.outlet.tell(closed).await?;
                }
                Err(unreachable) => {
                    if said.as_ref() != Some(&unreachable) {
                        let Unreachable { place, reason, remedy } = unreachable.clone();
                        self.outlet.tell(StreamEvent::Unreachable { place, reason, remedy }).await?;
                        said = Some(unreachable);
                    }
                }
            }
            let wait = backoff.next(fastrand::f64());
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.outlet.gone() => return Err(Gone),
            }
        }
    }

    /// Reads an open line until it is lost; gives how much came over it, and why no more does.
    async fn follow(&mut self, opened: super::open::Opened) -> Result<(u64, io::Error), Gone> {
        let epoch = uuid::Uuid::now_v7().simple().to_string();
        let asked = Instant::now();
        let opening =
            StreamEvent::Opened { place: opened.place, epoch: epoch.clone(), mode: self.mode, origin: Origin::Line };
        let (ports, mut writer) = match opened.line {
            OpenLine::Listen(ports) => (ports, None),
            OpenLine::Host(line) => {
                let (reader, writer) = tokio::io::split(line);
                let reply = Incoming { direction: Direction::FromInstrument, bytes: Box::new(reader) };
                (vec![reply], Some(writer))
            }
        };
        let from = now();
        self.note(NoteKind::Opened, &epoch);
        self.outlet.tell(opening).await?;
        let mut line = Following { ports: Ports::new(ports), offset: 0, waits: opened.waits, dropped: None };
        if asked.elapsed() > LATE && !line.waits {
            line.dropped = Some((from, 0));
        }
        loop {
            let read = tokio::select! {
                biased;
                () = self.outlet.gone() => return Err(Gone),
                Some(write) = self.writes.recv() => match (&mut writer, write.epoch == epoch) {
                    (Some(writer), true) => {
                        line.record(&mut self.recorder, Direction::ToInstrument, now(), &write.bytes);
                        written(writer, &write.bytes).await
                    }
                    // Asked for on an earlier opening: its answer would be taken for another's.
                    _ => Ok(()),
                },
                piece = line.ports.next(), if !(line.waits && self.outlet.is_behind()) => match piece {
                    Ok(piece) => {
                        line.record(&mut self.recorder, piece.direction, piece.at, &piece.bytes);
                        line.hand_over(piece, &self.outlet).await?;
                        Ok(())
                    }
                    Err(error) => Err(error),
                },
                () = tokio::time::sleep(LOOK), if line.dropped.is_some() || line.waits && self.outlet.is_behind() => {
                    line.say_lost(&self.outlet)?;
                    Ok(())
                }
                () = self.again.notified() => Err(io::Error::other("it is opened anew, as the driver asked")),
                news = self.worklists.changed() => {
                    for one in news {
                        self.outlet.tell(one).await?;
                    }
                    Ok(())
                }
            };
            if let Err(error) = read {
                line.give_up_waiting(&self.outlet).await?;
                return Ok((line.offset, error));
            }
        }
    }
}

impl<O> Session<O> {
    fn note(&mut self, kind: NoteKind, text: &str) {
        if let Some(recorder) = &mut self.recorder {
            recorder.record(Happening::Note { at: now(), source: None, kind, text: text.to_owned() });
        }
    }
}

/// One opening of a line while it is read.
struct Following {
    ports: Ports,
    /// Bytes that came over it, dropped ones included.
    offset: u64,
    waits: bool,
    /// Since when bytes are dropped, and how many were.
    dropped: Option<(Timestamp, u64)>,
}

impl Following {
    /// Records what is about to be handed over, or written.
    fn record(&self, recorder: &mut Option<Recorder>, direction: Direction, at: Timestamp, bytes: &[u8]) {
        if let Some(recorder) = recorder {
            let (offset, bytes) = (self.offset, bytes.to_vec());
            recorder.record(Happening::Bytes { at, source: None, direction, offset, bytes });
        }
    }

    async fn hand_over(&mut self, piece: Piece, outlet: &Outlet) -> Result<(), Gone> {
        let at = piece.at;
        let length = piece.bytes.len() as u64;
        let offset = self.offset;
        self.offset += length;
        self.say_lost(outlet)?;
        if let Some((_, bytes)) = &mut self.dropped {
            *bytes += length;
            return Ok(());
        }
        let event = StreamEvent::Bytes { offset, pieces: vec![piece], position: None };
        if self.waits {
            outlet.tell(event).await
        } else {
            if !outlet.offer(event)? {
                self.dropped = Some((at, length));
            }
            Ok(())
        }
    }

    /// Says what was dropped, once there is room again.
    fn say_lost(&mut self, outlet: &Outlet) -> Result<(), Gone> {
        let Some((from, bytes)) = self.dropped.filter(|_| outlet.has_room()) else { return Ok(()) };
        if outlet.offer(StreamEvent::Lost { from, bytes })? {
            self.dropped = None;
        }
        Ok(())
    }

    /// Says what was dropped when the line is closed: nothing is read meanwhile.
    async fn give_up_waiting(&mut self, outlet: &Outlet) -> Result<(), Gone> {
        match self.dropped.take() {
            Some((from, bytes)) => outlet.tell(StreamEvent::Lost { from, bytes }).await,
            None => Ok(()),
        }
    }
}

async fn written(writer: &mut WriteHalf<Box<dyn Duplex>>, bytes: &[u8]) -> io::Result<()> {
    let writing = async {
        writer.write_all(bytes).await?;
        writer.flush().await
    };
    match tokio::time::timeout(WRITING, writing).await {
        Ok(done) => done,
        Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the line does not take what is written to it")),
    }
}

/// Why a line was lost, in words.
fn reason(error: &io::Error) -> String {
    match (error.kind(), error.raw_os_error()) {
        (io::ErrorKind::UnexpectedEof, _) => "the line was closed at its other end, or pulled".to_owned(),
        // EIO and ENXIO are what the kernel says of a tty whose device is gone.
        (_, Some(5 | 6)) => "the port is gone: the adapter or its cable was pulled".to_owned(),
        _ => error.to_string(),
    }
}

fn remedy() -> Option<String> {
    Some("look at the cable, the adapter and the instrument; it is opened again as soon as it is there".to_owned())
}
