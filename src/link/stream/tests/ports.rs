//! Real pseudo-terminals, and trees that look like the kernel's.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use rustix::pty::{self, OpenptFlags};
use rustix::termios;

use super::super::usb::{NotFound, Roots, find};
use super::*;
use crate::config::streams::{Port, UsbPort};
use crate::driver::Sees;
use crate::profile::robolector::LineSettings;

const TAP: Mode = Mode::Listen { sees: Sees::Both };

/// The far end of a new pseudo-terminal, and the path of the near one.
fn terminal() -> (File, PathBuf) {
    let far = pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a pty");
    pty::grantpt(&far).expect("granted");
    pty::unlockpt(&far).expect("unlocked");
    let near = pty::ptsname(&far, Vec::new()).expect("a name").into_string().expect("text");
    // What the near end has not set up yet must not echo.
    let mut line = termios::tcgetattr(&far).expect("a terminal");
    line.make_raw();
    termios::tcsetattr(&far, termios::OptionalActions::Now, &line).expect("raw");
    (File::from(far), near.into())
}

fn start_at(port: Port, mode: Mode, roots: Option<Roots>) -> (StreamLink, Inlet) {
    let (outlet, inlet) = inlet::channel();
    let (stop, again) = (CancellationToken::new(), Arc::new(Notify::new()));
    let (writes, written) = mpsc::channel(WRITES);
    let direction = if mode == Mode::Host { Direction::FromInstrument } else { Direction::Either };
    let ports = serial::Ports::new(port, None, LineSettings::default(), mode, direction);
    let ports = match roots {
        Some(roots) => ports.under(roots),
        None => ports,
    };
    let worklists = worklists::Worklists::new(Vec::new());
    tokio::spawn(session::run(ports, mode, outlet, written, worklists, None, (stop.clone(), again.clone())));
    (StreamLink { stop, again, writes: (mode == Mode::Host).then_some(writes) }, inlet)
}

/// A port under a name that can be plugged elsewhere.
struct Socket {
    folder: tempfile::TempDir,
}

impl Socket {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder") }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("port")
    }

    fn plug(&self, near: &Path) {
        let _ = std::fs::remove_file(self.path());
        symlink(near, self.path()).expect("a link");
    }
}

#[tokio::test]
async fn a_hundred_pulled_cables_lose_only_what_was_on_the_wire() {
    let socket = Socket::new();
    let (mut far, near) = terminal();
    socket.plug(&near);
    let (_link, mut inlet) = start_at(Port::Path(socket.path()), TAP, None);
    let mut epochs = std::collections::BTreeSet::new();
    for number in 0..100 {
        epochs.insert(opened(&mut inlet).await);
        let frame = format!("C0ASid{number:04}whole\nC0ASid{number:04}ha");
        far.write_all(frame.as_bytes()).expect("written");
        assert_eq!(bytes(&mut inlet, frame.len()).await, frame, "pull {number}");
        // In the middle of the second frame; the next adapter is in the socket already.
        let (next_far, next_near) = terminal();
        socket.plug(&next_near);
        drop(std::mem::replace(&mut far, next_far));
        let said = next(&mut inlet).await;
        assert!(matches!(said, StreamEvent::Closed { .. }), "pull {number}: {said:?}");
    }
    assert_eq!(epochs.len(), 100, "every opening has an epoch of its own");
}

#[tokio::test]
async fn whoever_writes_to_a_pseudo_terminal_can_wait() {
    let (_far, near) = terminal();
    let (_other, replies) = terminal();
    let settings = LineSettings::default;
    for replies in [None, Some(Port::Path(replies))] {
        let mut ports = serial::Ports::new(Port::Path(near.clone()), replies, settings(), TAP, Direction::Either);
        assert!(open::Open::open(&mut ports).await.is_ok_and(|opened| opened.waits));
    }
}

#[tokio::test]
async fn a_tap_reads_beside_others_and_writes_nothing() {
    let (mut far, near) = terminal();
    let others = File::open(&near).expect("somebody else has it open");
    let (link, mut inlet) = start_at(Port::Path(near.clone()), TAP, None);
    let epoch = opened(&mut inlet).await;
    // All bytes, also those that a terminal would act on.
    let all: Vec<u8> = (0..=255).collect();
    far.write_all(&all).expect("written");
    let StreamEvent::Bytes { pieces, .. } = next(&mut inlet).await else { panic!("no bytes") };
    let read: Vec<u8> = pieces.into_iter().flat_map(|piece| piece.bytes).collect();
    assert_eq!(read, all);
    assert!(!link.write(Write { epoch, bytes: b"x".to_vec() }));
    rustix::io::ioctl_fionbio(&far, true).expect("non-blocking");
    let back = far.read(&mut [0; 64]);
    assert_eq!(back.expect_err("nothing came back").kind(), std::io::ErrorKind::WouldBlock);
    let again = File::options().read(true).write(true).open(&near);
    assert!(again.is_ok(), "a tap takes no exclusive lock");
    drop(others);
}

#[tokio::test]
async fn a_host_has_the_port_for_itself_and_speaks_both_ways() {
    let (mut far, near) = terminal();
    let (link, mut inlet) = start_at(Port::Path(near.clone()), Mode::Host, None);
    let epoch = opened(&mut inlet).await;
    assert!(link.write(Write { epoch, bytes: b"\x02AM1RFV0\x03N".to_vec() }));
    let mut read = [0; 10];
    let mut asked = far.try_clone().expect("a handle");
    tokio::task::spawn_blocking(move || asked.read_exact(&mut read).map(|()| read))
        .await
        .expect("no panic")
        .map(|read| assert_eq!(&read, b"\x02AM1RFV0\x03N"))
        .expect("read");
    far.write_all(b"\x02@M1\x03=").expect("written");
    assert_eq!(bytes(&mut inlet, 6).await, "\x02@M1\x03=");
    let (_second, mut refused) = start_at(Port::Path(near), Mode::Host, None);
    let said = next(&mut refused).await;
    assert!(matches!(&said, StreamEvent::Unreachable { reason, .. } if reason.contains("in use")), "{said:?}");
}

#[test]
fn who_has_a_port_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let port = folder.path().canonicalize().expect("a path").join("ttyUSB0");
    std::fs::write(&port, "").expect("a port");
    for (process, program, file) in [("4711", "minicom", "ttyUSB0"), ("12", "sh", "else")] {
        let fd = folder.path().join("proc").join(process).join("fd");
        std::fs::create_dir_all(&fd).expect("a folder");
        std::fs::write(fd.join("../comm"), format!("{program}\n")).expect("a name");
        symlink(port.with_file_name(file), fd.join("3")).expect("a link");
    }
    std::fs::create_dir(folder.path().join("proc/self")).expect("a folder");
    let found = holder::holders(&port, &folder.path().join("proc"));
    assert_eq!(found, ["minicom (process 4711)"]);
    assert_eq!(holder::holders(&port, &folder.path().join("nowhere")), Vec::<String>::new());
}

/// A tree as the kernel shows adapters in.
struct Kernel {
    folder: tempfile::TempDir,
}

impl Kernel {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["sys/class/tty", "dev", "proc"] {
            std::fs::create_dir_all(folder.path().join(name)).expect("a folder");
        }
        Self { folder }
    }

    fn roots(&self) -> Roots {
        let at = |name: &str| self.folder.path().join(name);
        Roots { sys: at("sys"), dev: at("dev"), proc: at("proc") }
    }

    /// Plugs an adapter into `socket`, where it becomes `tty`.
    fn plug(&self, socket: &str, tty: &str, ids: [&str; 3], interface: &str, near: &Path) {
        let root = self.folder.path();
        let adapter = root.join("sys/devices/usb1").join(socket);
        let port = adapter.join(format!("{socket}:1.{interface}")).join(tty);
        std::fs::create_dir_all(port.join("tty").join(tty)).expect("a folder");
        for (name, text) in ["idVendor", "idProduct", "serial"].iter().zip(ids) {
            std::fs::write(adapter.join(name), format!("{text}\n")).expect("an id");
        }
        let number = adapter.join(format!("{socket}:1.{interface}")).join("bInterfaceNumber");
        std::fs::write(number, format!("{interface:0>2}\n")).expect("a number");
        symlink(&port, port.join("tty").join(tty).join("device")).expect("a link");
        symlink(port.join("tty").join(tty), root.join("sys/class/tty").join(tty)).expect("a link");
        symlink(near, root.join("dev").join(tty)).expect("a link");
    }

    fn pull(&self, socket: &str, tty: &str) {
        let root = self.folder.path();
        std::fs::remove_file(root.join("sys/class/tty").join(tty)).expect("pulled");
        std::fs::remove_file(root.join("dev").join(tty)).expect("pulled");
        std::fs::remove_dir_all(root.join("sys/devices/usb1").join(socket)).expect("pulled");
    }
}

const FTDI: [&str; 3] = ["0403", "6001", "A50285BI"];

fn ftdi(serial: Option<&str>, interface: Option<u8>) -> UsbPort {
    UsbPort { vendor: 0x0403, product: 0x6001, serial: serial.map(str::to_owned), interface }
}

#[test]
fn an_adapter_is_found_by_what_it_is() {
    let kernel = Kernel::new();
    let (near, roots) = (Path::new("/dev/null"), kernel.roots());
    assert_eq!(find(&ftdi(None, None), &roots), Err(NotFound::Absent));
    kernel.plug("1-1", "ttyUSB0", FTDI, "0", near);
    kernel.plug("1-2", "ttyACM0", ["2341", "0043", "X"], "0", near);
    assert_eq!(find(&ftdi(None, None), &roots), Ok(roots.dev.join("ttyUSB0")));
    kernel.plug("1-3", "ttyUSB1", ["0403", "6001", "B2"], "0", near);
    kernel.plug("1-3", "ttyUSB2", ["0403", "6001", "B2"], "1", near);
    let several = ["ttyUSB0", "ttyUSB1", "ttyUSB2"].map(str::to_owned).to_vec();
    assert_eq!(find(&ftdi(None, None), &roots), Err(NotFound::Several(several)));
    assert_eq!(find(&ftdi(Some("A50285BI"), None), &roots), Ok(roots.dev.join("ttyUSB0")));
    assert_eq!(find(&ftdi(Some("B2"), Some(1)), &roots), Ok(roots.dev.join("ttyUSB2")));
    assert_eq!(find(&ftdi(Some("B3"), None), &roots), Err(NotFound::Absent));
}

#[tokio::test]
async fn a_replugged_adapter_is_found_under_its_new_name() {
    let kernel = Kernel::new();
    let (mut far, near) = terminal();
    kernel.plug("1-1", "ttyUSB0", FTDI, "0", &near);
    let port = Port::Usb(ftdi(Some("A50285BI"), None));
    let (_link, mut inlet) = start_at(port, TAP, Some(kernel.roots()));
    opened(&mut inlet).await;
    far.write_all(b"half a fr").expect("written");
    bytes(&mut inlet, 9).await;
    kernel.pull("1-1", "ttyUSB0");
    drop(far);
    assert!(matches!(next(&mut inlet).await, StreamEvent::Closed { .. }));
    assert!(matches!(next(&mut inlet).await, StreamEvent::Unreachable { .. }));
    let (mut far, near) = terminal();
    kernel.plug("1-4", "ttyUSB3", FTDI, "0", &near);
    let StreamEvent::Opened { place, .. } = next(&mut inlet).await else { panic!("not opened") };
    assert!(place.contains("dev/ttyUSB3 (usb 0403:6001 A50285BI)"), "{place}");
    far.write_all(b"whole").expect("written");
    assert_eq!(bytes(&mut inlet, 5).await, "whole");
}

#[tokio::test]
async fn what_is_no_port_is_said_to_be_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    std::fs::write(&file, "x").expect("written");
    for (path, mode, wanted) in [
        (folder.path().join("absent"), TAP, "it is not there"),
        (folder.path().join("absent"), Mode::Host, "it is not there"),
        (file.clone(), TAP, "it is not a serial port"),
        (file, Mode::Host, "it is not a serial port"),
    ] {
        let (_link, mut inlet) = start_at(Port::Path(path), mode, None);
        let said = next(&mut inlet).await;
        assert!(matches!(&said, StreamEvent::Unreachable { reason, .. } if reason == wanted), "{said:?}");
    }
}

#[tokio::test]
async fn a_device_server_is_followed_over_its_restarts() {
    let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = server.local_addr().expect("an address").port();
    let address = crate::config::ports::Address { host: "127.0.0.1".to_owned(), port };
    let settings = StreamSettings { line: Line::Tcp { address, replies: None }, mode: Mode::Host, capture: None };
    let start = Start {
        device: "robot".parse().expect("an id"),
        settings,
        time_zone: TimeZone::UTC,
        worklists: Vec::new(),
        position: None,
    };
    let (link, mut inlet) = spawn(start);
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    for round in 0..3 {
        let (mut peer, _) = server.accept().await.expect("a connection");
        let epoch = opened(&mut inlet).await;
        peer.write_all(b"C0RFid0001").await.expect("written");
        assert_eq!(bytes(&mut inlet, 10).await, "C0RFid0001", "{round}");
        assert!(link.write(Write { epoch, bytes: b"C0QM".to_vec() }));
        let mut read = [0; 4];
        peer.read_exact(&mut read).await.expect("read");
        assert_eq!(&read, b"C0QM");
        drop(peer);
        assert!(matches!(next(&mut inlet).await, StreamEvent::Closed { .. }));
    }
}
