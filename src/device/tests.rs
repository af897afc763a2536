//! An actor on a real pseudo-terminal, with a real journal and a driver that makes an event of each line.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rustix::pty::{self, OpenptFlags};
use serde_json::Value;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::actor::{Actor, Commands, Line};
use super::links::Links;
use super::record::{Record, Store};
use super::silence::Silence;
use super::supervisor::Pulse;
use super::{Board, DeviceState};
use crate::command::Ledger;
use crate::config::Settings;
use crate::driver::{Direction, Driver, Effects, Input, Mode, Request, Sees, SnapshotPart, SourceName, StreamInput};
use crate::event::device::Faulted;
use crate::event::envelope::Origin;
use crate::event::{Body, Event, EventSource, Ingest, Key, Subject, TimeQuality};
use crate::journal::Journal;
use crate::link::stream::{self, Origin as Opening, Piece, Start, StreamEvent};

/// How long something that is promised may take on a busy machine.
const SOON: Duration = Duration::from_secs(30);

/// Makes an event of each line, and answers lines that end with a question mark where it may.
#[derive(Default)]
struct Lines {
    epoch: String,
    count: u64,
    half: Vec<u8>,
    host: bool,
}

impl Lines {
    fn line(&mut self, source: &SourceName, text: String, at: Timestamp, effects: &mut Effects) {
        self.count += 1;
        if self.host && text.ends_with('?') {
            effects.requests.push(Request::Send { source: source.clone(), bytes: format!("{text}!").into_bytes() });
        }
        if text == "lose" {
            effects.gaps.push((source.clone(), "lost-reply", "no reply came".to_owned()));
        }
        effects.events.push(Event {
            body: Body::DeviceFaulted(Faulted { code: "line".to_owned(), text, remedy: None }),
            key: Key::Text(format!("{}/{}", self.epoch, self.count)),
            run: None,
            cycle: None,
            closes: false,
            subject: Subject::Device,
            time: Some(at),
            time_quality: TimeQuality::Observed,
            revision: 1,
            reason: None,
            causation: None,
            offset: None,
            alike: None,
        });
    }
}

impl Driver for Lines {
    fn handle(&mut self, input: Input<'_>, _: Timestamp, effects: &mut Effects) {
        let Input::Stream(source, input) = input else { return };
        match input {
            StreamInput::Opened { epoch, mode, resumed, snapshot } => {
                self.host = mode == Mode::Host;
                self.half.clear();
                self.epoch = epoch.to_owned();
                let kept = snapshot.first().and_then(|(_, bytes)| String::from_utf8(bytes.clone()).ok());
                self.count = kept.filter(|_| resumed).and_then(|kept| kept.parse().ok()).unwrap_or(0);
            }
            StreamInput::Bytes { at, bytes, .. } => {
                self.half.extend_from_slice(bytes);
                while let Some(end) = self.half.iter().position(|byte| *byte == b'\n') {
                    let line: Vec<u8> = self.half.drain(..=end).collect();
                    self.line(source, String::from_utf8_lossy(&line[..end]).into_owned(), at, effects);
                    let bytes = self.count.to_string().into_bytes();
                    effects.snapshots.push(SnapshotPart { source: source.clone(), part: "state", bytes });
                }
            }
            StreamInput::Closed { .. } | StreamInput::Lost { .. } => self.half.clear(),
        }
    }
}

struct Bench {
    folder: tempfile::TempDir,
    settings: Settings,
    journal: Option<Journal>,
    board: Arc<Board>,
    stop: CancellationToken,
    actor: Option<tokio::task::JoinHandle<super::Exit>>,
}

impl Bench {
    fn new(link: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let text = format!(
            "site.id = \"lab\"\njournal.path = \"journal.db\"\n[devices.robot]\nprofile = \"robolector\"\n\
             time_zone = \"UTC\"\nsole_host = true\n{link}\n"
        );
        let loaded = crate::config::parse(&text, "instrumentd.toml", folder.path());
        let settings = loaded.unwrap_or_else(|problems| panic!("{problems}")).settings;
        let board = Arc::new(Board::new(settings.node.clone(), "journal".to_owned()));
        Self { folder, settings, journal: None, board, stop: CancellationToken::new(), actor: None }
    }

    fn port(&self) -> PathBuf {
        self.folder.path().join("port")
    }

    /// Puts a new cable into the socket; gives its far end.
    fn plug(&self) -> File {
        let far = pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a pty");
        pty::grantpt(&far).expect("granted");
        pty::unlockpt(&far).expect("unlocked");
        let near = pty::ptsname(&far, Vec::new()).expect("a name").into_string().expect("text");
        let _ = std::fs::remove_file(self.port());
        symlink(Path::new(&near), self.port()).expect("a link");
        File::from(far)
    }

    /// Pulls the cable, and the port's name with it: the kernel gives the number of a terminal that is gone to the next
    /// one, which may be another test's.
    fn pull(&self, far: File) {
        std::fs::remove_file(self.port()).expect("a link");
        drop(far);
    }

    /// Starts the actor as the supervisor does.
    async fn start(&mut self) {
        self.start_with(None).await;
    }

    /// Starts the actor, with what its link says where that is given.
    async fn start_with(&mut self, said: Option<Vec<StreamEvent>>) {
        let journal =
            self.journal.get_or_insert_with(|| Journal::open(&self.settings.journal, &[]).expect("a journal"));
        let device = Arc::new(self.settings.devices[0].clone());
        self.board.add(&device.id, DeviceState::new(device.profile.clone(), None, Timestamp::now()));
        let settings = device.stream.clone().expect("a line");
        let link = settings.link();
        let position = journal.sources(&device.id, link).expect("sources").pop().map(|stored| stored.position);
        let own = journal.note(&device.id, "own-events").expect("a note");
        let record = record(&self.settings, journal, own.as_deref());
        let line = Line::new(link, position.as_deref());
        let start = Start {
            device: device.id.clone(),
            settings,
            time_zone: device.time_zone.clone(),
            worklists: Vec::new(),
            position,
        };
        let stream = said.map_or_else(|| stream::spawn(start), stream::scripted);
        let links = Links { stream: Some(stream), line: Some(line), ..Links::default() };
        let (board, pulse) = (self.board.clone(), Arc::new(Pulse::default()));
        let commands = Commands::new(Arc::default(), None, Ledger::default());
        let actor =
            Actor::new(device, Box::<Lines>::default(), (links, commands), record, Silence::default(), board, pulse);
        self.stop = CancellationToken::new();
        self.actor = Some(tokio::spawn(actor.run(self.stop.clone())));
    }

    async fn stop(&mut self) {
        self.stop.cancel();
        let exit = self.actor.take().expect("it runs").await.expect("no panic");
        assert_eq!(exit, super::Exit::Stopped);
    }

    /// What was recorded, each event in a few words.
    fn recorded(&self) -> Vec<String> {
        let device = &self.settings.devices[0].id;
        let journal = self.journal.as_ref().expect("a journal");
        let (mut recorded, mut last) = (Vec::new(), 0);
        loop {
            let rows = journal.rows_after(device, last, 10_000).expect("rows");
            let Some(end) = rows.last().map(|row| row.sequence) else { return recorded };
            last = end;
            recorded.extend(rows.iter().map(|row| words(&serde_json::from_slice(&row.payload).expect("JSON"))));
        }
    }

    /// Waits until `count` events are recorded.
    async fn wait_for(&self, count: usize) -> Vec<String> {
        let give_up = Instant::now() + SOON;
        let journal = self.journal.as_ref().expect("a journal");
        while journal.devices().first().map_or(0, |device| device.last_sequence) < count as u64 {
            assert!(Instant::now() < give_up, "{:#?}", self.recorded());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.recorded()
    }
}

/// The record of the first device.
fn record(settings: &Settings, journal: &Journal, own: Option<&[u8]>) -> Record {
    let device = settings.devices[0].id.clone();
    let origin = Origin {
        source: EventSource::new(&settings.site, &device),
        partition: device.clone(),
        ingest: Ingest::Live,
        position: None,
    };
    Record::new(Store::Journal(journal.clone()), device, origin, own)
}

fn words(event: &Value) -> String {
    let data = &event["data"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    match text(&event["type"]).as_str() {
        "instrumentd.device.connected.v1" => "connected".to_owned(),
        "instrumentd.device.disconnected.v1" => "disconnected".to_owned(),
        "instrumentd.device.gap.v1" => {
            assert!(data["from"].as_str().is_none_or(|from| from <= data["to"].as_str().unwrap_or_default()));
            format!("gap {}{}", text(&data["reason"]), if data["from"].is_null() { "" } else { " with its begin" })
        }
        _ => text(&data["text"]),
    }
}

#[tokio::test]
async fn a_cable_that_is_pulled_in_the_middle_of_a_frame_leaves_a_gap_and_nothing_else() {
    let mut bench = Bench::new("serial.port = \"port\"");
    let mut far = bench.plug();
    bench.start().await;
    bench.wait_for(1).await;
    far.write_all(b"one\ntwo\nthr").expect("written");
    bench.wait_for(3).await;
    bench.pull(far);
    bench.wait_for(4).await;
    assert_eq!(bench.board.device(&bench.settings.devices[0].id).expect("a state").connection, "disconnected");
    let mut far = bench.plug();
    bench.wait_for(6).await;
    assert_eq!(bench.board.device(&bench.settings.devices[0].id).expect("a state").connection, "connected");
    far.write_all(b"ee\nlose\n").expect("written");
    let recorded = bench.wait_for(9).await;
    let wanted = ["connected", "one", "two", "disconnected", "connected", "gap interrupted with its begin"];
    assert_eq!(recorded[..6], wanted);
    assert_eq!(recorded[6..], ["ee", "lose", "gap lost-reply"], "the half frame did not leak into the next one");
    bench.stop().await;
}

#[tokio::test]
async fn a_restart_of_the_daemon_is_a_gap_of_the_line_and_no_change_of_its_connection() {
    let mut bench = Bench::new("serial.port = \"port\"");
    let mut far = bench.plug();
    bench.start().await;
    bench.wait_for(1).await;
    far.write_all(b"one\n").expect("written");
    bench.wait_for(2).await;
    bench.stop().await;
    bench.start().await;
    bench.wait_for(3).await;
    far.write_all(b"one\n").expect("written");
    let recorded = bench.wait_for(4).await;
    assert_eq!(
        recorded,
        ["connected", "one", "gap interrupted with its begin", "one"],
        "the same line is another event"
    );
    bench.stop().await;
}

#[tokio::test]
async fn what_the_driver_asks_goes_to_the_line_of_a_host() {
    let mut bench = Bench::new("serial = { port = \"port\", mode = \"host\" }");
    let mut far = bench.plug();
    bench.start().await;
    bench.wait_for(1).await;
    far.write_all(b"who?\n").expect("written");
    let mut answer = [0; 5];
    let mut reading = far.try_clone().expect("a handle");
    let answer = tokio::task::spawn_blocking(move || reading.read_exact(&mut answer).map(|()| answer));
    assert_eq!(&answer.await.expect("no panic").expect("read"), b"who?!");
    assert_eq!(bench.recorded(), ["connected", "who?"], "what was asked for rests on what is durable");
    bench.stop().await;
}

#[tokio::test]
async fn a_burst_is_recorded_whole_and_in_order() {
    let mut bench = Bench::new("serial.port = \"port\"");
    let mut far = bench.plug();
    bench.start().await;
    bench.wait_for(1).await;
    let lines: Vec<String> = (0..5_000).map(|number| format!("C0ASid{number:04} at0 0 tm1 0 xp02983 yp1457")).collect();
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let writing = tokio::task::spawn_blocking(move || far.write_all(text.as_bytes()).map(|()| far));
    let recorded = bench.wait_for(5_001).await;
    assert!(recorded[1..] == lines, "not what was sent");
    drop(writing.await.expect("no panic"));
    bench.stop().await;
}

#[tokio::test]
async fn a_trace_goes_on_after_a_restart_and_read_again_makes_nothing_new() {
    let mut bench = Bench::new("trace = { file = \"a.trc\", poll_interval = \"10ms\" }");
    let trace = bench.folder.path().join("a.trc");
    std::fs::write(&trace, "2026-11-21 10:00:00 one\nand two\n").expect("written");
    bench.start().await;
    bench.wait_for(3).await;
    bench.stop().await;
    let mut more = File::options().append(true).open(&trace).expect("the trace");
    more.write_all(b"three\n").expect("written");
    bench.start().await;
    let wanted = ["connected", "one", "and two", "three"];
    assert_eq!(bench.wait_for(4).await, wanted, "a trace can be read again: there is no gap");
    bench.stop().await;
    // As if another decoder had come: it is read from its start again.
    let device = bench.settings.devices[0].id.clone();
    let mut batch = crate::journal::Batch::new(device, "trace".into());
    batch.sources.push(crate::journal::SourceUpdate::forget("trace".into()));
    bench.journal.as_ref().expect("a journal").commit(batch).await.expect("committed");
    more.write_all(b"four\n").expect("written");
    bench.start().await;
    assert_eq!(bench.wait_for(5).await, ["connected", "one", "and two", "three", "four"]);
    bench.stop().await;
}

#[tokio::test]
async fn what_was_dropped_is_a_gap_and_no_frame_is_made_of_its_edges() {
    let mut bench = Bench::new("serial.port = \"port\"");
    let piece = |offset, text: &str| StreamEvent::Bytes {
        offset,
        pieces: vec![Piece { direction: Direction::Either, at: Timestamp::now(), bytes: text.as_bytes().to_vec() }],
        position: None,
    };
    let opened = StreamEvent::Opened {
        place: "here".to_owned(),
        epoch: "e".to_owned(),
        mode: Mode::Listen { sees: Sees::CommandsOnly },
        origin: Opening::Line,
    };
    let lost = StreamEvent::Lost { from: Timestamp::now(), bytes: 100 };
    let said = vec![opened, piece(0, "one\ntw"), lost, piece(106, "ree\nfour\n")];
    bench.start_with(Some(said)).await;
    let wanted = ["connected", "one", "gap overrun with its begin", "ree", "four"];
    assert_eq!(bench.wait_for(5).await, wanted);
    let state = bench.board.device(&bench.settings.devices[0].id).expect("a state");
    assert_eq!(state.watching.as_deref(), Some("as a tap of commands only: outcomes are unknown"));
    bench.stop().await;
}

#[tokio::test]
async fn of_what_is_handed_over_no_more_than_one_batch_is_not_durable_and_none_after_settling() {
    let bench = Bench::new("serial.port = \"port\"");
    let journal = Journal::open(&bench.settings.journal, &[]).expect("a journal");
    let mut record = record(&bench.settings, &journal, None);
    let device = bench.settings.devices[0].id.clone();
    let durable = || journal.devices().first().map_or(0, |device| device.last_sequence);
    for handed_over in 1..=50 {
        record.gap(&"serial".into(), None, "lost-reply", format!("gap {handed_over}"));
        let before = (handed_over > 1).then_some(handed_over - 1);
        assert_eq!(record.hand_over().await.expect("the journal is open"), before);
        assert!(record.is_empty() && durable() >= handed_over - 1);
    }
    assert_eq!(record.settle().await.expect("the journal is open"), Some(50));
    assert_eq!(record.settle().await.expect("the journal is open"), None);
    assert_eq!(journal.rows_after(&device, 0, 100).expect("rows").len(), 50);
}

#[tokio::test]
async fn a_line_that_is_never_there_is_said_once_and_is_no_gap() {
    let mut bench = Bench::new("serial.port = \"port\"");
    bench.start().await;
    assert_eq!(bench.wait_for(1).await, ["disconnected"]);
    bench.stop().await;
    bench.start().await;
    let mut far = bench.plug();
    bench.wait_for(2).await;
    far.write_all(b"one\n").expect("written");
    assert_eq!(bench.wait_for(3).await, ["disconnected", "connected", "one"], "nothing was followed before: no gap");
    bench.stop().await;
}
