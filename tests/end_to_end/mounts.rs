//! A folder on a real mount that the kernel cannot watch (FUSE): it is polled, kept free of open files, hangs, and goes away.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::daemon::{DEVICE, Place};
use crate::mosquitto::Mosquitto;
use crate::real_runs::essence;
use crate::subscriber::Subscriber;
use crate::{real_data, wait_for};

/// A mount of `share` at `at`, served by a process that can be frozen as a file server that hangs.
struct Mount {
    at: PathBuf,
    server: Child,
}

impl Mount {
    /// `None` with a visible line where no FUSE can be mounted; a missing program fails in CI.
    fn new(share: &Path, at: &Path) -> Option<Self> {
        if !Path::new("/dev/fuse").exists() {
            println!("skipped: there is no /dev/fuse");
            return None;
        }
        // Without a cache in the kernel each look reaches the server, as on a share.
        let options = "attr_timeout=0,entry_timeout=0,negative_timeout=0";
        let server =
            Command::new("bindfs").arg("-f").args(["-o", options]).args([share, at]).stdin(Stdio::null()).spawn();
        let Ok(server) = server else {
            assert!(std::env::var_os("CI").is_none(), "bindfs is missing");
            println!("skipped: bindfs is not installed");
            return None;
        };
        let mut mount = Self { at: at.to_owned(), server };
        let mut refused = false;
        wait_for("the mount", || {
            refused = matches!(mount.server.try_wait(), Ok(Some(_)));
            refused || mount.is_there()
        });
        if refused {
            println!("skipped: a FUSE mount is not permitted here");
            return None;
        }
        Some(mount)
    }

    fn is_there(&self) -> bool {
        let mounts = std::fs::read_to_string("/proc/mounts").unwrap_or_default();
        mounts.lines().any(|line| line.split(' ').nth(1) == self.at.to_str())
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.server.id().to_string()).status();
        assert!(status.expect("kill runs").success());
    }

    fn unmount(&self) {
        let status = Command::new("umount").arg("-l").arg(&self.at).status();
        assert!(status.expect("umount runs").success());
        wait_for("the mount to be gone", || !self.is_there());
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
        if self.is_there() {
            let _ = Command::new("umount").arg("-l").arg(&self.at).status();
        }
    }
}

fn state(device: &str) -> String {
    format!("instrumentd/v1/lab/devices/{device}/state")
}

fn says(subscriber: &Subscriber, device: &str, what: impl Fn(&Value) -> bool) -> bool {
    subscriber.with(|r| r.retained.get(&state(device)).is_some_and(what))
}

/// Files below `folder` that process `id` has open.
fn open_below(folder: &Path, id: u32) -> Vec<PathBuf> {
    let open = std::fs::read_dir(format!("/proc/{id}/fd")).expect("a running process");
    let targets = open.flatten().filter_map(|entry| std::fs::read_link(entry.path()).ok());
    targets.filter(|target| target.starts_with(folder)).collect()
}

#[test]
fn a_share_is_polled_without_open_files_hangs_alone_and_is_never_taken_for_emptied() {
    let Some(source) = real_data("biolector-pro/issue24.csv") else { return };
    let Some(other) = real_data("biolector-pro/new_metadata_format.csv") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let Some(broker) = Mosquitto::start(folder.path()) else { return };
    let place = Place::new("biolector-pro", broker.port);
    let (share, near) = (place.root.path().join("share"), place.root.path().join("near"));
    for made in [&share, &near] {
        std::fs::create_dir(made).expect("a folder");
    }
    let Some(mount) = Mount::new(&share, &place.results()) else { return };
    let local = "\n[devices.near]\nprofile = \"biolector-pro\"\ntime_zone = \"UTC\"\nfiles = { folder = \"near\" }\n";
    place.configure(local);
    let text = std::fs::read_to_string(place.config()).expect("the configuration");
    let text = text.replace("poll_interval = \"1s\"", "poll_interval = \"1s\", require_mount = true");
    std::fs::write(place.config(), text).expect("the configuration");
    let expected = place.decode(&source);
    let bytes = std::fs::read(&source).expect("the real file");

    let subscriber = Subscriber::connect(broker.port);
    let daemon = place.run();
    wait_for("the share to be polled", || {
        says(&subscriber, DEVICE, |s| s["watching"].as_str().is_some_and(|text| text.contains("poll")))
    });

    // What another machine writes onto the share: the kernel here hears nothing of it.
    std::fs::write(share.join("run.csv"), &bytes[..bytes.len() / 2]).expect("the instrument writes");
    let of = |device: &str| subscriber.with(|r| r.events.keys().filter(|(of, _)| of == device).count());
    wait_for("half a run", || of(DEVICE) > 100);
    wait_for("no file to be open", || open_below(&place.results(), daemon.id()).is_empty());

    // The file server hangs. The other device is followed, and the daemon stops all the same.
    mount.signal("STOP");
    std::fs::copy(&other, near.join("run.csv")).expect("a run nearby");
    wait_for("the other device's run", || of("near") > 50);
    let asked = std::time::Instant::now();
    assert!(daemon.end("TERM").success(), "{}", place.log());
    // Five seconds are promised to systemd; this is a promise about behaviour, with room for a slow machine.
    assert!(asked.elapsed() < std::time::Duration::from_secs(15), "{}", place.log());

    // It starts on a share that hangs still, follows the other device, and goes on when the share answers.
    let daemon = place.run();
    wait_for("the other device", || says(&subscriber, "near", |s| s["connection"] == "connected"));
    std::fs::write(share.join("run.csv"), &bytes).expect("the instrument writes");
    mount.signal("CONT");
    let last = expected.len() as u64 + 1;
    wait_for("the whole run", || subscriber.holes(DEVICE, last).is_empty());

    // The share is unmounted: an empty folder is left, and nothing was deleted.
    mount.unmount();
    wait_for("the share to be missed", || says(&subscriber, DEVICE, |s| s["connection"] == "disconnected"));
    drop(mount);
    let Some(_again) = Mount::new(&share, &place.results()) else { panic!("it was mounted before") };
    wait_for("the share to be back", || says(&subscriber, DEVICE, |s| s["connection"] == "connected"));
    assert!(daemon.end("TERM").success(), "{}", place.log());
    let made: Vec<Value> = place.recorded().into_iter().filter(|event| event["partitionkey"] == DEVICE).collect();
    let kinds: Vec<&str> = made.iter().skip(expected.len() + 1).filter_map(|event| event["type"].as_str()).collect();
    assert_eq!(kinds, ["instrumentd.device.disconnected.v1", "instrumentd.device.connected.v1"], "{}", place.log());
    for (made, expected) in made[1..].iter().zip(&expected) {
        assert_eq!(essence(made), essence(expected));
    }
}
