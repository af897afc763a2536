//! Servers that send what they must not: messages that are none, too large, or never end. The daemon says which peer sent what,
//! stays small, and follows its other instruments.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use instrumentd_simulators::Pace;
use instrumentd_simulators::biolector_xt::{Begin, Settings, XtServer};
use serde_json::Value;

/// Long enough for the slowest machine; a condition that never comes is a failure, not a slow test.
const PATIENCE: Duration = Duration::from_secs(120);
/// More than a daemon with four devices needs, less than what is sent.
const MOST_MEMORY_KB: u64 = 150_000;

/// What a server answers to everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mischief {
    /// A frame of gRPC with bytes that are no message.
    NoMessage,
    /// The beginning of a message of a gigabyte.
    TooLarge,
    /// A message that says to be compressed, and not how.
    Compressed,
    /// A header that never ends.
    EndlessHeader,
    /// A body that never ends, whatever the client has room for.
    EndlessBody,
    /// No HTTP/2.
    NoHttp2,
}

/// Speaks just enough HTTP/2 to do its mischief, until it is dropped.
struct Server {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    fn start(mischief: Mischief) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                if let Ok(stream) = stream {
                    // That the client hangs up is what is hoped for.
                    let _ = serve(stream, mischief, &stopped);
                }
            }
        });
        Self { address, stop, thread: Some(thread) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("small").to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// `:status: 200`, `content-type: application/grpc`, and what follows.
fn head() -> Vec<u8> {
    let mut block = vec![0x88, 0x0f, 0x10, 16];
    block.extend(b"application/grpc");
    block
}

fn serve(mut stream: TcpStream, mischief: Mischief, stop: &AtomicBool) -> std::io::Result<()> {
    const SETTINGS: u8 = 4;
    const PING: u8 = 6;
    const HEADERS: u8 = 1;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.set_write_timeout(Some(Duration::from_secs(5)))?;
    if mischief == Mischief::NoHttp2 {
        stream.write_all(b"220 mail.example ESMTP\r\n".repeat(100).as_slice())?;
        return stream.read_to_end(&mut Vec::new()).map(drop);
    }
    let mut preface = [0; 24];
    stream.read_exact(&mut preface)?;
    stream.write_all(&frame(SETTINGS, 0, 0, &[]))?;
    while !stop.load(Ordering::Relaxed) {
        let mut header = [0; 9];
        stream.read_exact(&mut header)?;
        let [a, b, c, kind, flags, s0, s1, s2, s3] = header;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        stream.read_exact(&mut payload)?;
        match kind {
            SETTINGS if flags & 1 == 0 => stream.write_all(&frame(SETTINGS, 1, 0, &[]))?,
            PING if flags & 1 == 0 => stream.write_all(&frame(PING, 1, 0, &payload))?,
            HEADERS => answer(&mut stream, mischief, u32::from_be_bytes([s0, s1, s2, s3]), stop)?,
            _ => {}
        }
    }
    Ok(())
}

fn answer(to: &mut TcpStream, mischief: Mischief, stream: u32, stop: &AtomicBool) -> std::io::Result<()> {
    const DATA: u8 = 0;
    const HEADERS: u8 = 1;
    const CONTINUATION: u8 = 9;
    const END_HEADERS: u8 = 4;
    let mut message = |bytes: &[u8]| {
        to.write_all(&frame(HEADERS, END_HEADERS, stream, &head()))?;
        to.write_all(&frame(DATA, 0, stream, bytes))
    };
    match mischief {
        Mischief::NoMessage => message(&[&[0, 0, 0, 0, 9, 0x4f][..], &[0xff; 8]].concat()),
        Mischief::TooLarge => message(&[&[0, 0x40, 0, 0, 0][..], &[7; 1000]].concat()),
        Mischief::Compressed => message(&[1, 0, 0, 0, 2, 8, 1]),
        Mischief::EndlessHeader => {
            to.write_all(&frame(HEADERS, 0, stream, &head()))?;
            // A literal header that is not indexed: a name of one byte, a value of a hundred.
            let literal = [&[0, 1, b'x', 100][..], &[b'y'; 100]].concat().repeat(100);
            while !stop.load(Ordering::Relaxed) {
                to.write_all(&frame(CONTINUATION, 0, stream, &literal))?;
            }
            Ok(())
        }
        Mischief::EndlessBody => {
            to.write_all(&frame(HEADERS, END_HEADERS, stream, &head()))?;
            to.write_all(&frame(DATA, 0, stream, &[0, 0, 0x0c, 0, 0]))?;
            while !stop.load(Ordering::Relaxed) {
                to.write_all(&frame(DATA, 0, stream, &[0; 16_000]))?;
            }
            Ok(())
        }
        Mischief::NoHttp2 => Ok(()),
    }
}

struct Daemon {
    folder: tempfile::TempDir,
    child: Child,
}

impl Daemon {
    /// A BioLector XT that is well, and one and an Echo MS+ at the server that is not.
    fn start(well: SocketAddr, strange: SocketAddr) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let device = |name: &str, profile: &str, address: SocketAddr| {
            format!(
                "[devices.{name}]\nprofile = \"{profile}\"\ntime_zone = \"UTC\"\n\
                 grpc = {{ endpoint = \"grpc://{address}\", plaintext = true, call_timeout = \"2s\", max_message = \"1 MB\" }}\n"
            )
        };
        let text = format!(
            "site = {{ id = \"lab\" }}\njournal = {{ path = \"journal.db\" }}\n{}{}{}",
            device("well", "biolector-xt", well),
            device("strange-xt", "biolector-xt", strange),
            device("strange-echo", "echo-ms-plus", strange),
        );
        std::fs::write(folder.path().join("instrumentd.toml"), text).expect("written");
        let log = std::fs::File::create(folder.path().join("log")).expect("a log");
        let mut command = Command::new(env!("CARGO_BIN_EXE_instrumentd"));
        command.env_remove("NOTIFY_SOCKET").env_remove("JOURNAL_STREAM").args(["run", "--config"]);
        command.arg(folder.path().join("instrumentd.toml")).stdout(Stdio::null()).stderr(log);
        let child = command.spawn().expect("it runs");
        Self { folder, child }
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("instrumentd.toml")
    }

    fn events(&self, of: &str) -> Vec<Value> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_instrumentd"));
        command.args(["events", "--format", "ndjson", "--type", of, "--config"]).arg(self.config());
        let text = String::from_utf8(command.output().expect("events runs").stdout).expect("UTF-8");
        text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    }

    /// What is told of a device's connection or of what it sent.
    fn told(&self, device: &str) -> Vec<String> {
        let events = self.events("device.disconnected").into_iter().chain(self.events("device.faulted"));
        events.filter(|event| event["partitionkey"] == device).map(|event| event["data"].to_string()).collect()
    }

    fn most_memory_kb(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let line = status.lines().find(|line| line.starts_with("VmHWM")).expect("a figure");
        line.split_whitespace().nth(1).and_then(|figure| figure.parse().ok()).expect("a number")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            eprintln!("the daemon's log ends with:\n{}", log.lines().rev().take(30).collect::<Vec<_>>().join("\n"));
        }
    }
}

fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "waited in vain for {what}");
        let (_sender, receiver) = std::sync::mpsc::channel::<()>();
        let _ = receiver.recv_timeout(Duration::from_millis(100));
    }
}

fn mischief(mischief: Mischief, says: &[&str]) {
    let mut settings = Settings { begin: Begin::WithFirstClient, pace: Pace::Times(20.0), ..Settings::default() };
    settings.run.wells = 8;
    let well = XtServer::start(settings).expect("the simulated instrument starts");
    let strange = Server::start(mischief);
    let mut daemon = Daemon::start(well.address(), strange.address);
    for device in ["strange-xt", "strange-echo"] {
        // A connection that is closed before anything was asked on it is first told as that.
        let mut told = Vec::new();
        let says_what = |text: &String| says.iter().any(|what| text.contains(what));
        wait_for(&format!("what {device} sent to be told as {says:?}"), || {
            told = daemon.told(device);
            told.iter().any(says_what)
        });
        let peer = strange.address.to_string();
        assert!(told.iter().all(|text| text.contains(&peer)), "{mischief:?}: who it was: {told:?}");
    }
    // It goes on meanwhile, and the other instrument with it.
    let readings = || daemon.events("cultivation.measured").len();
    let before = readings();
    wait_for("more readings of the other instrument", || readings() > before + 20);
    assert!(daemon.events("cultivation.measured").iter().all(|event| event["partitionkey"] == "well"));
    let memory = daemon.most_memory_kb();
    assert!(memory < MOST_MEMORY_KB, "{mischief:?}: {memory} kB");
    assert!(daemon.child.try_wait().expect("a child").is_none(), "it runs");
}

#[test]
fn bytes_that_are_no_message_are_told_with_their_sender() {
    mischief(Mischief::NoMessage, &["is no message of this service"]);
}

#[test]
fn a_message_that_is_too_large_is_told_with_its_sender() {
    mischief(Mischief::TooLarge, &["larger than is accepted"]);
}

#[test]
fn a_message_that_is_compressed_in_no_known_way_is_told_with_its_sender() {
    mischief(Mischief::Compressed, &["is no message of this service"]);
}

#[test]
fn a_header_that_never_ends_is_told_with_its_sender() {
    mischief(Mischief::EndlessHeader, &["breaks the rules of HTTP/2"]);
}

#[test]
fn a_body_that_never_ends_is_told_with_its_sender() {
    mischief(Mischief::EndlessBody, &["breaks the rules of HTTP/2", "is no message of this service"]);
}

#[test]
fn what_speaks_no_http_is_told_with_its_address() {
    // Whether the connection is closed before something is asked on it is a matter of chance.
    mischief(Mischief::NoHttp2, &["breaks the rules of HTTP/2", "connection closed"]);
}

#[test]
fn a_call_that_is_never_answered_is_told_and_does_not_end_the_stream() {
    let mut settings = Settings { begin: Begin::WithFirstClient, pace: Pace::Times(20.0), ..Settings::default() };
    settings.run.wells = 8;
    settings.faults.hang.insert("GetShakerControlStatus".to_owned());
    let well = XtServer::start(settings).expect("the simulated instrument starts");
    let strange = Server::start(Mischief::NoMessage);
    let daemon = Daemon::start(well.address(), strange.address);
    let told = || daemon.told("well").into_iter().filter(|text| text.contains("not answered in time")).count();
    wait_for("the call to be told", || told() > 0);
    let readings = || daemon.events("cultivation.measured").len();
    let before = readings();
    wait_for("more readings", || readings() > before + 20);
    assert!(
        daemon.told("well").iter().all(|text| text.contains("GetShakerControlStatus")),
        "{:?}",
        daemon.told("well")
    );
    assert!(daemon.events("device.gap").iter().all(|gap| gap["partitionkey"] != "well"), "the stream goes on");
}

#[test]
fn a_stream_with_messages_that_are_too_large_is_told_and_followed_between_them() {
    let mut settings = Settings { begin: Begin::WithFirstClient, pace: Pace::Times(20.0), ..Settings::default() };
    settings.run.wells = 8;
    settings.faults.oversized_every = Some(40);
    let well = XtServer::start(settings).expect("the simulated instrument starts");
    let strange = Server::start(Mischief::TooLarge);
    let daemon = Daemon::start(well.address(), strange.address);
    let told = || daemon.events("device.faulted").into_iter().filter(|event| event["partitionkey"] == "well");
    wait_for("the message to be told", || told().count() > 0);
    let text = told().next().expect("it was waited for")["data"]["text"].as_str().expect("a text").to_owned();
    let whole = ["StatusUpdateStream", "larger than is accepted", &well.address().to_string()];
    assert!(whole.iter().all(|part| text.contains(part)), "{text}");
    let readings = || daemon.events("cultivation.measured").len();
    let before = readings();
    wait_for("more readings", || readings() > before + 10);
    let memory = daemon.most_memory_kb();
    assert!(memory < MOST_MEMORY_KB, "{memory} kB");
}
