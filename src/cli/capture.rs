//! `instrumentd capture`.

use std::fs::File;
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use instrument_proto::codec::capture::{
    Direction as Way, Header, Note, NoteKind, VERSION, write_chunk, write_comment, write_header, write_note,
};
use jiff::Timestamp;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::config;
use crate::config::settings::DeviceSettings;
use crate::config::streams::{Line, Port};
use crate::decode::replay::member_name;
use crate::driver::{Mode, Sees, SourceKind, SourceName};
use crate::event::DeviceId;
use crate::link::files::{self, LinkEvent};
use crate::link::stream::holder::holders;
use crate::link::stream::recorder::way;
use crate::link::stream::usb::{self, Roots};
use crate::link::stream::{self, StreamEvent};

/// How often the progress is shown.
const TICK: Duration = Duration::from_millis(500);

/// Pieces of a folder that wait to be written.
const WAITING: usize = 4;

/// Record what comes over a device's link, with times and directions, until Ctrl-C.
///
/// The link is opened here, as a tap: nothing is written to the instrument. A serial port that the running daemon has open
/// is refused, because each would get a part of the bytes: there, say `capture = { folder = … }` on its link instead.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  instrumentd capture --config instrumentd.toml --device robot-1 \\
    --output robot-1.capture
  instrumentd replay --profile robolector robot-1.capture")]
pub struct Arguments {
    /// The configuration that says how the device is reached.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The device.
    #[arg(long)]
    device: DeviceId,
    /// The new file to record into.
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
}

/// Runs it.
pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let settings = config::load(&arguments.config).map_err(|problems| anyhow::anyhow!("{problems}"))?.settings;
    let Some(device) = settings.devices.into_iter().find(|device| device.id == arguments.device) else {
        bail!("{} has no device {}", arguments.config.display(), arguments.device);
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(capture(device, &arguments.output))
}

async fn capture(device: DeviceSettings, output: &Path) -> anyhow::Result<ExitCode> {
    refuse_shared(&device)?;
    let file = File::create_new(output).with_context(|| format!("{} cannot be made", output.display()))?;
    let mut recording = Recording::new(file, &device)?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut tick = tokio::time::interval(TICK);
    let mut source = Source::open(&device);
    eprintln!("recording {} into {}; Ctrl-C ends it", device.id, output.display());
    loop {
        tokio::select! {
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
            _ = tick.tick() => recording.show(),
            said = source.next() => match said {
                Some(said) => {
                    if let Said::Files(LinkEvent::Renamed { to, .. }) = &said {
                        source.reread(to);
                    }
                    recording.record(said)?;
                }
                None => bail!("the link ended"),
            },
        }
    }
    source.stop();
    recording.bar.finish_and_clear();
    eprintln!("{} in {} pieces recorded", HumanBytes(recording.bytes), recording.pieces);
    Ok(ExitCode::SUCCESS)
}

/// Two readers of one serial port would each get a part of its bytes.
fn refuse_shared(device: &DeviceSettings) -> anyhow::Result<()> {
    let Some(Line::Serial { port, replies, .. }) = device.stream.as_ref().map(|stream| &stream.line) else {
        return Ok(());
    };
    let roots = Roots::default();
    for port in [Some(port), replies.as_ref()].into_iter().flatten() {
        let path = match port {
            Port::Path(path) => path.clone(),
            // One that is not plugged in is waited for.
            Port::Usb(wanted) => usb::find(wanted, &roots).unwrap_or_default(),
        };
        let others = holders(&path, &roots.proc);
        if !others.is_empty() {
            bail!(
                "{} is in use by {}: each of the two would get a part of the bytes; if that is the daemon, let it record \
                 with `capture = {{ folder = \"…\" }}` on its link",
                path.display(),
                others.join(", ")
            );
        }
    }
    Ok(())
}

/// The device's link, opened here.
enum Source {
    Stream(stream::StreamLink, stream::Inlet),
    Files(files::FileLink, mpsc::Receiver<LinkEvent>),
    None,
}

enum Said {
    Stream(StreamEvent),
    Files(LinkEvent),
}

impl Source {
    fn open(device: &DeviceSettings) -> Self {
        if let Some(mut settings) = device.stream.clone() {
            if settings.mode == Mode::Host {
                eprintln!("the line is only listened to: where nobody asks the instrument, nothing will come");
                settings.mode = Mode::Listen { sees: Sees::RepliesOnly };
            }
            settings.capture = None;
            let (link, inlet) = stream::spawn(stream::Start {
                device: device.id.clone(),
                settings,
                time_zone: device.time_zone.clone(),
                worklists: Vec::new(),
                position: None,
            });
            return Self::Stream(link, inlet);
        }
        let Some(settings) = device.files.clone() else { return Self::None };
        let (sender, events) = mpsc::channel(WAITING);
        let (layout, settle) = (device.profile.family.layout(), device.profile.settle);
        let start = files::Start { settings, layout, settle, known: Vec::new(), baseline: None };
        Self::Files(files::spawn(start, sender), events)
    }

    /// Has a file that is called otherwise now recorded from its start, under its new name.
    fn reread(&self, source: &SourceName) {
        if let Self::Files(link, _) = self {
            link.reread(source);
        }
    }

    fn stop(&self) {
        match self {
            Self::Stream(link, _) => link.stop(),
            Self::Files(link, _) => link.stop(),
            Self::None => {}
        }
    }

    async fn next(&mut self) -> Option<Said> {
        match self {
            Self::Stream(_, inlet) => inlet.next().await.map(Said::Stream),
            Self::Files(_, events) => events.recv().await.map(Said::Files),
            Self::None => None,
        }
    }
}

/// The file, and how much is in it.
struct Recording {
    file: File,
    text: Vec<u8>,
    bytes: u64,
    pieces: u64,
    connection: String,
    bar: ProgressBar,
}

impl Recording {
    fn new(file: File, device: &DeviceSettings) -> anyhow::Result<Self> {
        let link = device.stream.as_ref().map_or("files", |stream| stream.link());
        let mut text = Vec::new();
        let header = Header { version: VERSION, device: device.id.to_string(), link: link.to_owned() };
        write_header(&mut text, &header);
        let bar = match std::io::stderr().is_terminal() {
            true => ProgressBar::new_spinner(),
            false => ProgressBar::hidden(),
        };
        bar.set_style(
            ProgressStyle::with_template("{spinner} {msg}").unwrap_or_else(|_| ProgressStyle::default_spinner()),
        );
        let mut recording =
            Self { file, text, bytes: 0, pieces: 0, connection: "waiting for the link".to_owned(), bar };
        recording.write()?;
        Ok(recording)
    }

    fn show(&self) {
        self.bar.set_message(format!("{}: {} in {} pieces", self.connection, HumanBytes(self.bytes), self.pieces));
        self.bar.tick();
    }

    fn write(&mut self) -> anyhow::Result<()> {
        self.file.write_all(&self.text).context("the recording cannot be written")?;
        self.text.clear();
        Ok(())
    }

    fn record(&mut self, said: Said) -> anyhow::Result<()> {
        match said {
            Said::Stream(event) => self.stream(event),
            Said::Files(event) => self.files(event),
        }
        self.write()
    }

    fn connected(&mut self, text: String) {
        if !self.bar.is_hidden() || self.connection != text {
            self.bar.suspend(|| eprintln!("{text}"));
        }
        self.connection = text;
    }

    fn note(&mut self, source: Option<&str>, kind: NoteKind, text: &str) {
        let (at, source) = (Timestamp::now(), source.map(str::to_owned));
        write_note(&mut self.text, &Note { at, source, kind, text: text.to_owned() });
    }

    fn chunk(&mut self, at: Timestamp, direction: Way, source: Option<&str>, offset: u64, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        self.pieces += 1;
        write_chunk(&mut self.text, at, direction, source, offset, bytes);
    }

    fn stream(&mut self, event: StreamEvent) {
        match event {
            StreamEvent::Opened { place, epoch, .. } => {
                self.note(None, NoteKind::Opened, &epoch);
                self.connected(format!("{place} is open"));
            }
            StreamEvent::Bytes { mut offset, pieces, .. } => {
                for piece in pieces {
                    self.chunk(piece.at, way(piece.direction), None, offset, &piece.bytes);
                    offset += piece.bytes.len() as u64;
                }
            }
            StreamEvent::Lost { bytes, .. } => self.note(None, NoteKind::Lost, &format!("{bytes} bytes")),
            StreamEvent::Closed { place, reason, .. } => {
                self.note(None, NoteKind::Closed, &reason);
                self.connected(format!("{place}: {reason}"));
            }
            StreamEvent::Unreachable { place, reason, .. } => self.connected(format!("{place}: {reason}")),
            StreamEvent::Replaced { text } => self.note(None, NoteKind::Lost, &text),
            StreamEvent::Worklist { .. } | StreamEvent::WorklistUnreadable { .. } => {}
        }
    }

    fn files(&mut self, event: LinkEvent) {
        let (now, way) = (Timestamp::now(), Way::FromInstrument);
        match event {
            LinkEvent::Connected { place } => self.connected(format!("{place} can be read")),
            LinkEvent::Disconnected { place, reason, .. } => self.connected(format!("{place}: {reason}")),
            LinkEvent::Opened { source, kind, resume: false, .. } => {
                let kind = match kind {
                    SourceKind::Table => "table",
                    SourceKind::Export => "export",
                    SourceKind::Parts => "parts",
                };
                self.note(Some(&source), NoteKind::Opened, kind);
            }
            LinkEvent::Member { source, name, bytes, .. } => {
                self.chunk(now, way, Some(&member_name(&source, &name)), 0, &bytes);
            }
            LinkEvent::Head { source, bytes, .. } => self.chunk(now, way, Some(&member_name(&source, "")), 0, &bytes),
            LinkEvent::Bytes { source, offset, bytes, .. } => self.chunk(now, way, Some(&source), offset, &bytes),
            LinkEvent::Ended { source, .. } => self.note(Some(&source), NoteKind::Closed, "ended"),
            LinkEvent::Settled { source, .. } => self.note(Some(&source), NoteKind::Closed, "settled"),
            LinkEvent::Gone { source } => self.note(Some(&source), NoteKind::Closed, "gone"),
            LinkEvent::Renamed { from, to, .. } => {
                write_comment(
                    &mut self.text,
                    &format!("{from} is called {to} now; it is recorded from its start again"),
                );
                self.note(Some(&from), NoteKind::Closed, "gone");
            }
            LinkEvent::Gap { source, text, .. } => self.note(Some(&source), NoteKind::Lost, &text),
            LinkEvent::Trouble { text, .. } => write_comment(&mut self.text, &text),
            LinkEvent::Opened { resume: true, .. } | LinkEvent::Baseline(_) | LinkEvent::TroubleOver { .. } => {}
        }
    }
}
