//! The real Mosquitto, started, stopped, killed and frozen by a test.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::process::{Child, Command};

/// A Mosquitto of a test's own.
pub struct Mosquitto {
    pub port: u16,
    pub folder: TempDir,
    binary: PathBuf,
    child: Option<Child>,
}

/// Where Mosquitto is installed. Without it a test is skipped visibly, and fails where everything has to run.
fn binary() -> Option<PathBuf> {
    let places =
        ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto", "/usr/bin/mosquitto", "/opt/homebrew/sbin/mosquitto"];
    let found = places.iter().map(PathBuf::from).find(|path| path.exists());
    if found.is_none() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "mosquitto is not installed");
        eprintln!("skipped: mosquitto is not installed");
    }
    found
}

impl Mosquitto {
    /// Starts one with these lines in its configuration, `PORT` and `DIR` replaced; `None` where there is none.
    pub async fn start(configuration: &str) -> Option<Self> {
        Self::start_in(tempfile::tempdir().expect("a folder"), configuration).await
    }

    /// The same, in a folder that holds files which the configuration names.
    pub async fn start_in(folder: TempDir, configuration: &str) -> Option<Self> {
        let mut broker = Self { port: 0, folder, binary: binary()?, child: None };
        // The port is free now; that another test takes it before Mosquitto does is made up for by another try.
        for _ in 0..5 {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
            broker.port = listener.local_addr().expect("bound").port();
            drop(listener);
            let lines = configuration.replace("PORT", &broker.port.to_string());
            let lines = lines.replace("DIR", &broker.folder.path().display().to_string());
            std::fs::write(broker.path("mosquitto.conf"), lines).expect("written");
            if broker.run().await {
                return Some(broker);
            }
        }
        panic!("mosquitto does not start: {}", broker.log());
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts the process and waits until it accepts connections; false when it ended instead.
    pub async fn run(&mut self) -> bool {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.path("log")).expect("a log");
        let mut command = Command::new(&self.binary);
        command.arg("-c").arg(self.path("mosquitto.conf")).arg("-v").kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("a log")).stderr(log);
        let mut child = command.spawn().expect("mosquitto starts");
        loop {
            if child.try_wait().expect("a child").is_some() {
                return false;
            }
            if tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await.is_ok() {
                self.child = Some(child);
                return true;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub fn signal(&self, signal: &str) {
        let id = self.child.as_ref().and_then(Child::id).expect("it runs");
        let sent = std::process::Command::new("kill").arg(format!("-{signal}")).arg(id.to_string()).status();
        assert!(sent.expect("kill runs").success());
    }

    /// Ends it with a signal and waits for that.
    pub async fn end(&mut self, signal: &str) {
        self.signal(signal);
        let mut child = self.child.take().expect("it runs");
        child.wait().await.expect("it ends");
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }
}

/// Runs `openssl`; false, said visibly, where it is not installed.
pub fn openssl(folder: &Path, arguments: &str) -> bool {
    match std::process::Command::new("openssl").current_dir(folder).args(arguments.split(' ')).output() {
        Ok(output) => {
            assert!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
            true
        }
        Err(_) => {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "openssl is not installed");
            eprintln!("skipped: openssl is not installed");
            false
        }
    }
}
