//! What lies in `systemd/`: valid, tight, and loose enough for what the daemon needs.

use std::fs;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// The unit must be rated below this by `systemd-analyze security`.
const MOST_EXPOSURE: f64 = 2.5;

fn unit_text() -> String {
    fs::read_to_string(folder().join("instrumentd.service")).expect("the unit is in the project")
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd")
}

/// Runs a program of systemd; `None`, with a line that says so, where it is not installed. On the build machine it has to be.
fn systemd(program: &str, arguments: &[&str]) -> Option<Output> {
    match Command::new(program).args(arguments).env("SYSTEMD_PAGER", "").env("LC_ALL", "C").output() {
        Ok(output) => Some(output),
        Err(error) => {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "{program} cannot be run: {error}");
            println!("skipped: {program} is not installed");
            None
        }
    }
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The unit's settings, without comments.
fn settings(unit: &str) -> Vec<(String, String)> {
    let lines = unit.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_once('=')).map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

#[test]
fn the_unit_is_valid() {
    let folder = tempfile::tempdir().expect("a folder");
    let unit = folder.path().join("instrumentd.service");
    // The program is not installed where it is built: the check gets the one that was built.
    let program = env!("CARGO_BIN_EXE_instrumentd");
    fs::write(&unit, unit_text().replace("/usr/bin/instrumentd", program)).expect("writable");
    let Some(output) = systemd("systemd-analyze", &["verify", "--man=no", &unit.to_string_lossy()]) else { return };
    let text = text(&output);
    assert!(output.status.success(), "{text}");
    assert!(!text.contains("instrumentd.service:"), "it has something to say about the unit: {text}");
}

#[test]
fn a_mistake_in_the_unit_would_be_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let unit = folder.path().join("instrumentd.service");
    let program = env!("CARGO_BIN_EXE_instrumentd");
    let wrong = unit_text().replace("/usr/bin/instrumentd", program).replace("ProtectSystem=", "ProtectSytem=");
    fs::write(&unit, wrong).expect("writable");
    let Some(output) = systemd("systemd-analyze", &["verify", "--man=no", &unit.to_string_lossy()]) else { return };
    assert!(text(&output).contains("instrumentd.service:"), "{}", text(&output));
}

#[test]
fn the_unit_is_rated_tight() {
    let unit = folder().join("instrumentd.service");
    let Some(output) =
        systemd("systemd-analyze", &["security", "--offline=true", "--no-pager", &unit.to_string_lossy()])
    else {
        return;
    };
    let text = text(&output);
    let rating = text
        .lines()
        .find_map(|line| line.split_once("Overall exposure level for instrumentd.service: "))
        .and_then(|(_, rest)| rest.split_whitespace().next())
        .and_then(|rating| rating.parse::<f64>().ok());
    let Some(rating) = rating else { panic!("no rating in: {text}") };
    println!("exposure {rating}");
    assert!(rating < MOST_EXPOSURE, "rated {rating}, which is not below {MOST_EXPOSURE}:\n{text}");
}

#[test]
fn the_unit_has_what_the_daemon_relies_on() {
    let settings = settings(&unit_text());
    let value = |key: &str| {
        let found: Vec<&str> =
            settings.iter().filter(|(other, _)| other == key).map(|(_, value)| value.as_str()).collect();
        found.join(", ")
    };
    assert_eq!(value("Type"), "notify");
    assert_eq!(value("Restart"), "on-failure");
    assert_eq!(value("ExecReload"), "/bin/kill -HUP $MAINPID");
    assert_eq!(value("StateDirectory"), "instrumentd");
    assert!(value("WatchdogSec").ends_with('s'));
    assert!(value("DeviceAllow").contains("char-ttyUSB rw"));
    assert_eq!(value("PrivateDevices"), "", "it would hide serial lines");
    assert_eq!(value("PrivateNetwork"), "", "it would cut the brokers off");
    assert!(unit_text().contains("\n#LoadCredential=mqtt-password:"), "the example of a password");
}

#[test]
fn the_user_and_the_folders_are_made_as_described() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = format!("--root={}", folder.path().display());
    fs::create_dir(folder.path().join("etc")).expect("writable");
    let users = self::folder().join("sysusers.d-instrumentd.conf");
    let Some(output) = systemd("systemd-sysusers", &[&root, &users.to_string_lossy()]) else { return };
    assert!(output.status.success(), "{}", text(&output));
    let read = |name: &str| fs::read_to_string(folder.path().join("etc").join(name)).expect("it was written");
    assert!(read("passwd").lines().any(|line| line.starts_with("instrumentd:")));
    let dialout =
        read("group").lines().find(|line| line.starts_with("dialout:")).map(str::to_owned).expect("the group");
    assert!(dialout.ends_with(":instrumentd"), "{dialout}");

    let places = self::folder().join("tmpfiles.d-instrumentd.conf");
    let Some(output) = systemd("systemd-tmpfiles", &["--create", &root, &places.to_string_lossy()]) else { return };
    if !rustix::process::geteuid().is_root() {
        println!("skipped: only root can make a folder that belongs to another user");
        return;
    }
    assert!(output.status.success(), "{}", text(&output));
    let made = fs::metadata(folder.path().join("etc/instrumentd")).expect("the folder");
    assert_eq!(made.permissions().mode() & 0o777, 0o750);
}

/// Whether systemd can start units here.
fn systemd_runs() -> bool {
    Path::new("/run/systemd/system").is_dir() && rustix::process::geteuid().is_root()
}

/// The settings of the unit's sandbox, as arguments of `systemd-run`. What concerns the program and its users is left out.
fn sandbox() -> Vec<String> {
    const OF_THE_PROGRAM: [&str; 17] = [
        "Description",
        "Documentation",
        "Wants",
        "After",
        "WantedBy",
        "Type",
        "ExecStart",
        "ExecReload",
        "WatchdogSec",
        "Restart",
        "RestartSec",
        "TimeoutStartSec",
        "TimeoutStopSec",
        "User",
        "Group",
        "StateDirectory",
        "BindReadOnlyPaths",
    ];
    let kept = settings(&unit_text()).into_iter().filter(|(key, _)| !OF_THE_PROGRAM.contains(&key.as_str()));
    kept.flat_map(|(key, value)| ["-p".to_owned(), format!("{key}={value}")]).collect()
}

/// A pseudo-terminal that anybody may open: our side, and the path of the other.
fn pseudo_terminal() -> (OwnedFd, String) {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pseudo-terminal");
    grantpt(&ours).expect("granted");
    unlockpt(&ours).expect("unlocked");
    let path = ptsname(&ours, Vec::new()).expect("its name").into_string().expect("text");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).expect("ours to change");
    (ours, path)
}

#[test]
fn the_sandbox_lets_a_pseudo_terminal_and_a_read_only_mount_through_and_little_else() {
    if !systemd_runs() {
        println!("skipped: systemd is not running here (or this is not root); the unit was verified offline only");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).expect("ours to change");
    let file = folder.path().join("result.csv");
    fs::write(&file, "cycle 7\n").expect("writable");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).expect("ours to change");
    let (ours, terminal) = pseudo_terminal();
    let mut ours = fs::File::from(ours);
    ours.write_all(b"answer 42\n").expect("the line takes it");

    let inside = format!("/run/instrumentd-sandbox-{}", std::process::id());
    // Each line that the sandbox prints is one fact.
    let script = format!(
        "IFS= read -r line < {terminal} && echo \"terminal: $line\"
         echo \"file: $(cat {inside}/result.csv)\"
         (echo spoilt > {inside}/result.csv) 2>/dev/null && echo 'the mount is writable'
         (: < /dev/kmsg) 2>/dev/null && echo 'the kernel log is open'
         (: > /etc/instrumentd-was-here) 2>/dev/null && echo 'the system is writable'
         ls /home /root 2>/dev/null | grep -q . && echo 'homes are visible'
         echo done"
    );
    let told = folder.path().join("told");
    // As a oneshot the start lasts until the script is done, and needs no message bus to wait for it.
    let output = Command::new("systemd-run")
        .args(["--quiet", "--collect", "-p", "Type=oneshot", "-p", "User=nobody", "-p", "Group=nogroup"])
        .args(["-p", &format!("StandardOutput=file:{}", told.display())])
        .args(sandbox())
        .args(["-p", &format!("BindReadOnlyPaths={}:{inside}", folder.path().display())])
        .args(["/bin/sh", "-c", &script])
        .output()
        .expect("systemd-run starts");
    let _ = fs::remove_dir(&inside);
    let told = fs::read_to_string(&told).unwrap_or_default();
    assert!(output.status.success(), "{told}{}", text(&output));
    assert_eq!(told, "terminal: answer 42\nfile: cycle 7\ndone\n", "{}", text(&output));
}
