//! A real Mosquitto on loopback that can be stopped, killed and frozen.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::wait_for;

pub struct Mosquitto {
    pub port: u16,
    folder: PathBuf,
    /// Further lines of its configuration, taken at the next start.
    pub limits: &'static str,
    /// Whether sessions and what waits for them are kept over a restart.
    persistent: bool,
    child: Option<Child>,
}

/// The broker's program, or `None` with a visible line; a missing one fails in CI.
fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/usr/local/sbin".into()])
        .map(|folder| folder.join("mosquitto"))
        .find(|candidate| candidate.is_file());
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none(), "mosquitto is missing");
        println!("skipped: mosquitto is not installed");
    }
    found
}

pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("an address").port()
}

impl Mosquitto {
    pub fn start(folder: &Path) -> Option<Self> {
        Self::start_with(folder, "max_inflight_messages 100")
    }

    pub fn start_with(folder: &Path, limits: &'static str) -> Option<Self> {
        Self::begin(folder, limits, false)
    }

    /// One that keeps subscribers' sessions over a restart, as the documented configuration does.
    pub fn start_persistent(folder: &Path) -> Option<Self> {
        Self::begin(folder, "max_inflight_messages 100", true)
    }

    fn begin(folder: &Path, limits: &'static str, persistent: bool) -> Option<Self> {
        program()?;
        let mut broker = Self { port: free_port(), folder: folder.to_owned(), limits, persistent, child: None };
        broker.up();
        Some(broker)
    }

    pub fn up(&mut self) {
        let program = program().expect("it was there at the start");
        let config = self.folder.join("mosquitto.conf");
        // As root it would become a user who may not write into the folder.
        let kept = match self.persistent {
            true => format!("user root\npersistence true\npersistence_location {}/", self.folder.display()),
            false => "persistence false".to_owned(),
        };
        let text = format!(
            "listener {} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 1000000\n{kept}\n{}\n",
            self.port, self.limits
        );
        std::fs::write(&config, text).expect("the broker's configuration");
        let log = std::fs::File::create(self.folder.join("mosquitto.log")).expect("the broker's log");
        let child = Command::new(program)
            .arg("-c")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("mosquitto starts");
        self.child = Some(child);
        let port = self.port;
        wait_for("mosquitto to listen", || {
            TcpStream::connect_timeout(&(Ipv4Addr::LOCALHOST, port).into(), Duration::from_secs(1)).is_ok()
        });
    }

    pub fn signal(&self, name: &str) {
        let child = self.child.as_ref().expect("a running broker");
        let status = Command::new("kill").arg(format!("-{name}")).arg(child.id().to_string()).status();
        assert!(status.expect("kill runs").success());
    }

    pub fn down(&mut self, signal: &str) {
        self.signal(signal);
        if let Some(mut child) = self.child.take() {
            child.wait().expect("mosquitto ended");
        }
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
