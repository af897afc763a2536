use std::path::Path;

use super::surroundings::{Finding, Probe, answers, look};
use super::*;
use crate::config::codes::Code::{self, *};

/// The kinds of problems that are tested here.
pub(crate) const SEEN: [Code; 15] = [
    LineAbsent,
    LineUnusable,
    JournalUnusable,
    JournalOnNetwork,
    FolderAbsent,
    FolderUnreadable,
    FolderSilent,
    FolderNotMounted,
    MountNotRequired,
    NotifyOnNetwork,
    FileUnusable,
    FileExposed,
    BrokerUnreachable,
    ServiceUnreachable,
    DeviceMissing,
];

/// A free port that nothing listens on.
fn closed_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

/// A configuration for which everything is there, in `folder`; the listener is its broker.
fn complete(folder: &Path) -> (String, std::net::TcpListener) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    for name in ["results", "journal"] {
        std::fs::create_dir(folder.join(name)).expect("a folder");
    }
    let text = format!(
        "site = {{ id = \"lab\" }}\njournal = {{ path = \"journal/journal.db\" }}\n\
         [brokers.main]\nhost = \"127.0.0.1\"\nport = {port}\n\
         [devices.bl-1]\nprofile = \"biolector-pro\"\ntime_zone = \"Etc/UTC\"\nfiles = {{ folder = \"results\" }}\n"
    );
    (text, listener)
}

/// The problems of `text` as a file in `folder`, each with its code and the text that it points at.
fn found(folder: &Path, text: &str) -> Vec<(Code, String)> {
    let path = folder.join("instrumentd.toml");
    std::fs::write(&path, text).expect("written");
    let pointed = |problem: &Problem| {
        problem.place.as_ref().map(|place| place.source.slice(&place.span).to_owned()).unwrap_or_default()
    };
    problems(&path).0.iter().map(|problem| (problem.code, pointed(problem))).collect()
}

#[test]
fn a_machine_that_has_everything_is_not_complained_about() {
    let folder = tempfile::tempdir().expect("a folder");
    let (text, _broker) = complete(folder.path());
    assert_eq!(found(folder.path(), &text), []);
}

#[test]
fn what_the_machine_lacks_is_a_warning_at_its_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let (text, _broker) = complete(folder.path());
    let at = |code: Code, text: &str| vec![(code, text.to_owned())];
    std::fs::write(folder.path().join("a-file"), "").expect("written");
    for (from, to, expected) in [
        ("\"results\"", "\"nowhere\"".to_owned(), at(FolderAbsent, "\"nowhere\"")),
        ("\"results\"", "\"a-file\"".to_owned(), at(FolderUnreadable, "\"a-file\"")),
        ("\"results\"", "\"results\", require_mount = true".to_owned(), at(FolderNotMounted, "\"results\"")),
        (
            "\"127.0.0.1\"\nport = ",
            format!("\"127.0.0.1\"\nport = {} #", closed_port()),
            at(BrokerUnreachable, "\"127.0.0.1\""),
        ),
        ("\"journal/journal.db\"", "\"journal\"".to_owned(), at(JournalUnusable, "\"journal\"")),
        (
            "\"journal/journal.db\"",
            "\"a-file/x/journal.db\"".to_owned(),
            at(JournalUnusable, "\"a-file/x/journal.db\""),
        ),
        ("\"journal/journal.db\"", "\"new/x/journal.db\"".to_owned(), Vec::new()),
        ("files =", "enabled = false\nfiles = { folder = \"nowhere\" } #".to_owned(), Vec::new()),
    ] {
        assert_eq!(found(folder.path(), &text.replace(from, &to)), expected, "{to}");
    }
}

#[test]
fn lines_and_what_belongs_to_them_are_looked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let (text, _broker) = complete(folder.path());
    std::fs::write(folder.path().join("a-file"), "").expect("written");
    let far = rustix::pty::openpt(rustix::pty::OpenptFlags::RDWR | rustix::pty::OpenptFlags::NOCTTY).expect("a pty");
    rustix::pty::grantpt(&far).expect("granted");
    rustix::pty::unlockpt(&far).expect("unlocked");
    let port = rustix::pty::ptsname(&far, Vec::new()).expect("a name").into_string().expect("text");
    let closed = closed_port();
    for (line, expected) in [
        (format!("serial = {{ port = \"{port}\" }}"), None),
        ("serial = { port = \"absent\" }".to_owned(), Some((LineAbsent, "{ port = \"absent\" }".to_owned()))),
        ("serial = { port = \"a-file\" }".to_owned(), Some((LineUnusable, "{ port = \"a-file\" }".to_owned()))),
        (
            "serial = { usb = { vendor = \"ffff\", product = \"ffff\" } }".to_owned(),
            Some((LineAbsent, "{ usb = { vendor = \"ffff\", product = \"ffff\" } }".to_owned())),
        ),
        (
            format!("tcp = {{ address = \"127.0.0.1:{closed}\" }}"),
            Some((LineUnusable, format!("{{ address = \"127.0.0.1:{closed}\" }}"))),
        ),
        ("trace = { file = \"a-file\" }".to_owned(), None),
        ("trace = { file = \"absent\" }".to_owned(), Some((LineAbsent, "\"absent\"".to_owned()))),
        (
            "worklist = \"absent\"\ntrace = { file = \"a-file\" }".to_owned(),
            Some((FileUnusable, "\"absent\"".to_owned())),
        ),
        (
            format!("[devices.robot.serial]\nport = \"{port}\"\ncapture = {{ folder = \"absent\" }}"),
            Some((FileUnusable, "{ folder = \"absent\" }".to_owned())),
        ),
    ] {
        let robot = format!("{text}[devices.robot]\nprofile = \"robolector\"\ntime_zone = \"UTC\"\n{line}\n");
        assert_eq!(found(folder.path(), &robot), expected.into_iter().collect::<Vec<_>>(), "{line}");
    }
}

#[test]
fn files_of_secrets_and_certificates_are_looked_into() {
    let folder = tempfile::tempdir().expect("a folder");
    let (text, _broker) = complete(folder.path());
    let write = |name: &str, content: &str, mode: u32| {
        use std::os::unix::fs::PermissionsExt as _;
        let path = folder.path().join(name);
        std::fs::write(&path, content).expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("a mode");
    };
    write("password", "hunter2\n", 0o600);
    write("open", "hunter2\n", 0o644);
    write("empty", "\n", 0o600);
    write("ca.pem", "-----BEGIN CERTIFICATE-----\n", 0o644);
    write("key.pem", "-----BEGIN PRIVATE KEY-----\n", 0o600);
    for (extra, expected) in [
        ("user = \"kim\"\npassword_file = \"password\"", None),
        ("user = \"kim\"\npassword_file = \"open\"", Some((FileExposed, "\"open\""))),
        ("user = \"kim\"\npassword_file = \"empty\"", Some((FileUnusable, "\"empty\""))),
        ("user = \"kim\"\npassword_file = \"absent\"", Some((FileUnusable, "\"absent\""))),
        ("tls = { ca_file = \"ca.pem\", cert_file = \"ca.pem\", key_file = \"key.pem\" }", None),
        ("tls = { ca_file = \"key.pem\" }", Some((FileUnusable, "\"key.pem\""))),
        (
            "tls = { ca_file = \"ca.pem\", cert_file = \"ca.pem\", key_file = \"empty\" }",
            Some((FileUnusable, "\"empty\"")),
        ),
    ] {
        let expected: Vec<_> = expected.map(|(code, text)| (code, text.to_owned())).into_iter().collect();
        assert_eq!(found(folder.path(), &text.replace("[devices", &format!("{extra}\n[devices"))), expected, "{extra}");
    }
}

#[test]
fn network_mounts_are_said() {
    let codes = |findings: Vec<Finding>| findings.iter().map(|finding| finding.code).collect::<Vec<_>>();
    let mount = |is_mount, remote: Option<&str>| folders::Mount { is_mount, remote: remote.map(str::to_owned) };
    assert_eq!(codes(folders::mounted("it", mount(false, None), false, true)), []);
    assert_eq!(codes(folders::mounted("it", mount(true, Some("CIFS")), true, false)), []);
    assert_eq!(codes(folders::mounted("it", mount(true, Some("CIFS")), false, false)), [MountNotRequired]);
    assert_eq!(codes(folders::mounted("it", mount(true, Some("CIFS")), true, true)), [NotifyOnNetwork]);
    assert_eq!(codes(journal::on_network(Some("NFS".to_owned()))), [JournalOnNetwork]);
    assert_eq!(codes(journal::on_network(None)), []);
}

#[test]
fn what_never_answers_is_said_and_not_waited_for() {
    let examined = config::examine("", "instrumentd.toml", Path::new("/"));
    let (keep, never) = std::sync::mpsc::channel::<()>();
    let probe = Probe {
        place: 0..0,
        ask: Box::new(move || {
            let _ = never.recv();
            Vec::new()
        }),
        silent: Finding::new(FolderSilent, "no answer", "wait"),
    };
    let problems = answers(vec![probe], &examined.source, std::time::Duration::ZERO);
    assert_eq!(problems.iter().map(|problem| problem.code).collect::<Vec<_>>(), [FolderSilent]);
    drop(keep);
}

#[test]
fn a_wrong_configuration_is_looked_at_as_far_as_it_goes() {
    let folder = tempfile::tempdir().expect("a folder");
    let (text, _broker) = complete(folder.path());
    let text = text.replace("Etc/UTC", "Etc/UCT+").replace("\"results\"", "\"nowhere\"");
    let examined = config::examine(&text, "instrumentd.toml", folder.path());
    let codes: Vec<Code> = look(&examined, folder.path()).iter().map(|problem| problem.code).collect();
    assert_eq!((examined.problems.errors(), codes), (1, vec![FolderAbsent]));
}

#[test]
fn a_device_that_only_the_journal_knows_is_an_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let (text, _broker) = complete(folder.path());
    let loaded = config::parse(&text, "instrumentd.toml", folder.path()).expect("valid");
    let known: Vec<DeviceId> = ["bl-1", "bl-l", "lineage"].iter().map(|id| id.parse().expect("an id")).collect();
    let missing = config::missing_devices(&loaded.settings, "instrumentd.toml", &known);
    assert_eq!(missing.len(), 1);
    insta::assert_snapshot!(missing[0]);
}

#[tokio::test]
async fn the_journal_is_asked_which_devices_it_knows() {
    let folder = tempfile::tempdir().expect("a folder");
    let (text, _broker) = complete(folder.path());
    let settings = config::parse(&text, "instrumentd.toml", folder.path()).expect("valid").settings;
    let journal = crate::journal::Journal::open(&settings.journal, &[]).expect("a journal");
    let device = settings.devices[0].id.clone();
    let mut batch = crate::journal::Batch::new(device, "files".into());
    batch.notes.push(("a-fact".to_owned(), Some(b"1".to_vec())));
    journal.commit(batch).await.expect("committed");
    // Also while the daemon has it open.
    assert_eq!(found(folder.path(), &text), []);
    let renamed = found(folder.path(), &text.replace("bl-1", "bl-2"));
    assert_eq!(renamed, [(DeviceMissing, String::new())]);
    journal.close().await;
    std::fs::write(&settings.journal.path, "not a journal, but a text that someone put here").expect("written");
    assert_eq!(found(folder.path(), &text), [(JournalUnusable, String::new())]);
}
