//! What the settings are, and what a reload finds changed.

use std::time::Duration;

use super::super::settings::{Backfill, FilesSettings, WatchMode};
use super::*;
use crate::profile::{ChannelKindKey, Kind, Range, TimeTrust};

#[test]
fn everything_that_is_written_arrives() {
    let text = r#"
[site]
id = "lab"
node = "n"
[journal]
path = "/data/j.db"
keep_for = "2h"
max_size = "1 GiB"
when_full = "drop-oldest"
[brokers.a]
host = "::1"
port = 1
client_id = "c"
user = "u"
password_file = "pw"
topic_root = "r/s/"
window = 3
keep_alive = "2s"
will_delay = "0s"
state_expiry = "1m"
stall = "1s"
reconnect_within = "2s"
response_prefix = "answers"
[brokers.b]
host = "broker.example.org"
tls = { ca_file = "/ca.pem", cert_file = "c.pem", key_file = "k.pem" }
[devices.x]
profile = "biolector-xt"
time_zone = "America/New_York"
enabled = false
location = "here"
files = { folder = "/r/../r", watch = "poll", poll_interval = "100ms", backfill = 2026-03-08, require_mount = true }
[devices.x.overrides]
ranges.do = { min = 0, max = 1.5 }
tolerance.relative = 0
times = { silence = "2d", trust = "zone", cycle_timeout_factor = 1.5 }
[log]
filter = "debug"
"#;
    let settings = valid(text).settings;
    insta::assert_debug_snapshot!(
        "settings",
        (&settings.site, &settings.node, &settings.journal, &settings.brokers, &settings.log)
    );
    let device = &settings.devices[0];
    assert_eq!((device.id.as_str(), device.enabled, device.location.as_deref()), ("x", false, Some("here")));
    assert_eq!(device.time_zone.iana_name(), Some("America/New_York"));
    // What is overridden is different, all the rest is as shipped.
    let mut expected = (*crate::profile::shipped("biolector-xt").expect("shipped")).clone();
    assert_ne!(*device.profile, expected);
    expected.silence = Duration::from_secs(2 * 86_400);
    let Kind::Biolector(biolector) = &mut expected.kind else { panic!("no BioLector") };
    biolector.ranges.insert(ChannelKindKey::Do, Range { min: 0.0, max: 1.5 });
    biolector.tolerance.relative = 0.0;
    biolector.time_trust = TimeTrust::Zone;
    biolector.cycle_timeout_factor = 1.5;
    assert_eq!(*device.profile, expected);
    // Midnight in New York, on the day when the clocks go forward.
    let since = "2026-03-08T05:00:00Z".parse().expect("a moment");
    let files = device.files.as_ref().expect("files");
    let expected = FilesSettings {
        folder: "/r/../r".into(),
        watch: WatchMode::Poll,
        poll_interval: Duration::from_millis(100),
        backfill: Some(Backfill::Since(since)),
        require_mount: true,
    };
    assert_eq!(files, &expected);
}

#[test]
fn a_moment_with_an_offset_is_taken_as_it_is() {
    let text = GOOD.replace("\"results\"", "\"results\", backfill = \"2026-01-31T08:00:00+02:00\"");
    let files = parsed(&text).expect("valid").settings.devices[0].files.clone().expect("files");
    assert_eq!(files.backfill, Some(Backfill::Since("2026-01-31T06:00:00Z".parse().expect("a moment"))));
}

#[test]
fn only_what_changed_is_different_after_a_reload() {
    let two = format!(
        "{GOOD}[devices.bl-2]\nprofile = \"biolector-1\"\ntime_zone = \"Etc/UTC\"\nfiles = {{ folder = \"other\" }}\n"
    );
    let before = parsed(&two).expect("valid").settings;
    for (from, to) in [
        ("\"Europe/Berlin\"", "\"Europe/Paris\""),
        ("\"results\"", "\"results-2\""),
        ("\"biolector-pro\"", "\"biolector-xt\""),
        ("\"biolector-pro\"", "\"biolector-pro\"\nlocation = \"moved\""),
        ("\"biolector-pro\"", "\"biolector-pro\"\nenabled = false"),
        ("\"biolector-pro\"", "\"biolector-pro\"\noverrides.times.settle = \"1s\""),
    ] {
        let after = parsed(&two.replace(from, to)).expect("valid").settings;
        assert_ne!(after.devices[0], before.devices[0], "{to}");
        assert_eq!(after.devices[1], before.devices[1], "{to}");
    }
    let same = parsed(&two.replace("[site]", "# a comment\n[site]")).expect("valid").settings;
    assert_eq!(same, before);
    assert_eq!(before.devices[0].profile.settle, Duration::from_secs(5));
}

#[test]
fn a_device_that_is_out_of_use_gives_its_folder_to_another() {
    let second =
        "[devices.bl-2]\nprofile = \"biolector-1\"\ntime_zone = \"Etc/UTC\"\nfiles = { folder = \"results\" }\n";
    let both = format!("{GOOD}{second}");
    assert_eq!(parsed(&both).expect_err("a mistake").0[0].code, Code::SameFolder);
    assert_eq!(valid(&both.replace("bl-2]", "bl-2]\nenabled = false")).settings.devices.len(), 2);
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_are_no_mistake() {
    let text = format!("\u{FEFF}{}", GOOD.replace('\n', "\r\n"));
    assert_eq!(parsed(&text).expect("valid").settings, parsed(GOOD).expect("valid").settings);
}

#[test]
fn nothing_that_a_text_says_reaches_a_terminal_as_a_control_character() {
    let text = GOOD.replace("\"foundry\"", "\"\\u001b[31mfoundry\"").replace("\"gateway-1\"", "\u{1b}[31m");
    let said = parsed(&text).expect_err("mistakes").to_string();
    assert!(!said.contains('\u{1b}'), "{said:?}");
}

#[test]
fn no_prefix_of_a_file_breaks_the_reader() {
    // A file that is being written is read half-way: any cut is answered, never a crash.
    for end in (0..EXAMPLE.len()).filter(|end| EXAMPLE.is_char_boundary(*end)).step_by(7) {
        let _ = parsed(&EXAMPLE[..end]).map_err(|problems| problems.to_string());
    }
}

proptest::proptest! {
    #[test]
    fn no_damage_to_a_file_breaks_the_reader(at in 0..EXAMPLE.len(), length in 0..40usize, text in "\\PC{0,8}|[\"'\\[\\]{}=.,#\\n\t\r]{0,8}") {
        let cut = |mut at: usize| { while !EXAMPLE.is_char_boundary(at) { at -= 1; } at };
        let end = cut((at + length).min(EXAMPLE.len()));
        let damaged = format!("{}{text}{}", &EXAMPLE[..cut(at)], &EXAMPLE[end..]);
        let examined = examine(&damaged, "f", Path::new("/"));
        for problem in &examined.problems.0 {
            let _ = render::human(problem, true);
            let _ = serde_json::to_string(&render::Record::from(problem)).expect("JSON");
        }
        // What is taken is complete; what is refused has a reason.
        proptest::prop_assert!(examined.settings.is_some() || examined.problems.errors() > 0, "{damaged}");
    }
}

#[test]
fn the_configuration_file_is_read_with_paths_relative_to_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("instrumentd.toml");
    let unreadable = load(&path).expect_err("not there");
    assert_eq!(unreadable.0[0].code, Code::Unreadable);
    std::fs::write(&path, GOOD).expect("written");
    let settings = load(&path).expect("valid").settings;
    assert_eq!(settings.devices[0].files.as_ref().expect("files").folder, folder.path().join("results"));
    std::fs::write(&path, b"# \xFF\n").expect("written");
    assert_eq!(load(&path).expect_err("not UTF-8").0[0].code, Code::NotUtf8);
}

#[test]
fn profiles_of_the_sites_own_are_used_and_their_mistakes_are_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let own = folder.path().join("profiles");
    std::fs::create_dir(&own).expect("a folder");
    std::fs::write(own.join("notes.txt"), "not a profile").expect("written");
    let write = |name: &str, text: &str| std::fs::write(own.join(name), text).expect("written");
    let shipped = crate::profile::text("biolector-pro").expect("a text");
    write("biolector-pro.toml", &shipped.replace("model = \"BioLector Pro\"", "model = \"Ours\""));
    write("second.toml", shipped);
    let text = format!("profiles = \"profiles\"\n{GOOD}");
    let read = |text: &str| parse(text, "instrumentd.toml", folder.path());
    let profile = |text: &str| read(text).expect("valid").settings.devices[0].profile.clone();
    assert_eq!(profile(&text).model, "Ours");
    assert_eq!(profile(&text.replace("biolector-pro", "second")).name, "second");
    assert_eq!(profile(&text.replace("biolector-pro", "biolector-xt")).model, "BioLector XT");

    write("biolector-pro.toml", &shipped.replace("family =", "famly ="));
    write("Odd Name.toml", shipped);
    let codes: Vec<Code> = read(&text).expect_err("mistakes").0.iter().map(|problem| problem.code).collect();
    assert_eq!(codes, [Code::UnknownProfile, Code::BadName, Code::UnknownKey], "the shipped one must not stand in");
}
