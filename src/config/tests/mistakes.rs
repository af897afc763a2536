//! Mistakes, what is said about each, and that every kind of problem is among them.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::super::codes::{Code, Code::*};
use super::*;

/// One mistake in [`GOOD`]: its name, what is replaced by what, and the problems that follow, in the order of the file.
struct Mistake(&'static str, &'static str, &'static str, &'static [Code]);

const DEVICE: &str = "profile = \"biolector-pro\"\n";
const ZONE: &str = "time_zone = \"Europe/Berlin\"\n";
const FILES: &str = "files = { folder = \"results\" }\n";
const HOST: &str = "host = \"localhost\"\n";
const PATH: &str = "path = \"journal/journal.db\"\n";

/// A robot without a mistake, beside the device of [`GOOD`].
const ROBOT: &str = r#"
[devices.robot]
profile = "robolector"
time_zone = "Europe/Berlin"
serial = { usb = { vendor = "0403", product = "6001", serial = "A1" } }
sole_host = true
worklist = ["plan.gwl"]

[devices.robot.deck.labware.culture]
type = "flowerplate-48"
x_mm = 100
y_mm = 100
rotation = 90
role = "cultivation"
cultivation_device = "bl-1"

[devices.robot.deck.labware.samples]
type = "dwp-96"
x_mm = 300
y_mm = 100
role = "sample"
"#;

/// One mistake in [`ROBOT`].
const ROBOT_MISTAKES: &[Mistake] = &[
    Mistake("two ways to a line", "sole_host", "tcp.address = \"moxa:4001\"\nsole_host", &[OneLink]),
    Mistake("folder of a robot", "sole_host", "files = { folder = \"r\" }\nsole_host", &[WrongFamily]),
    Mistake(
        "no line",
        "serial = { usb = { vendor = \"0403\", product = \"6001\", serial = \"A1\" } }\n",
        "",
        &[OneLink],
    ),
    Mistake("port named twice", "{ usb =", "{ port = \"/dev/ttyUSB0\", usb =", &[OnePort]),
    Mistake(
        "port not named",
        "{ usb = { vendor = \"0403\", product = \"6001\", serial = \"A1\" } }",
        "{ mode = \"host\" }",
        &[OnePort],
    ),
    Mistake("usb id with 0x", "\"0403\"", "\"0x403\"", &[BadText]),
    Mistake("a tap that asserts a line", "{ usb =", "{ line.dtr = \"set\", usb =", &[BadMode]),
    Mistake(
        "a tap with half of both",
        "{ usb =",
        "{ carries = \"commands\", replies.port = \"/dev/ttyS1\", usb =",
        &[BadMode],
    ),
    Mistake(
        "address without a port",
        "serial = { usb = { vendor = \"0403\", product = \"6001\", serial = \"A1\" } }",
        "tcp = { address = \"moxa\" }",
        &[BadHost],
    ),
    Mistake("unknown labware", "\"dwp-96\"", "\"dwp-69\"", &[UnknownName]),
    Mistake("labware askew", "rotation = 90", "rotation = 45", &[OutOfRange]),
    Mistake("unknown role", "\"sample\"", "\"samples\"", &[BadChoice]),
    Mistake("culture in no device", "cultivation_device = \"bl-1\"\n", "", &[BadDeck]),
    Mistake("culture in an unknown device", "\"bl-1\"", "\"bl-l\"", &[UnknownName]),
    Mistake("culture in a robot", "\"bl-1\"", "\"robot\"", &[UnknownName]),
    Mistake("samples in a device", "\"sample\"", "\"sample\"\ncultivation_device = \"bl-1\"", &[BadDeck]),
    Mistake("two plates in one place", "x_mm = 300", "x_mm = 150", &[BadDeck]),
    Mistake("unknown liquid class", "sole_host", "liquid_class = \"Water\"\nsole_host", &[UnknownName]),
    Mistake("worklist as a number", "[\"plan.gwl\"]", "[7]", &[WrongType]),
];

const MISTAKES: &[Mistake] = &[
    Mistake(
        "line of a BioLector",
        FILES,
        "files = { folder = \"results\" }\nserial = { port = \"/dev/ttyS0\" }\n",
        &[WrongFamily],
    ),
    Mistake(
        "two hosts on one line",
        FILES,
        "files = { folder = \"results\" }\n[devices.r-1]\nprofile = \"robolector\"\ntime_zone = \"UTC\"\nserial = { port = \"/dev/ttyS0\", mode = \"host\" }\n",
        &[BadMode],
    ),
    Mistake(
        "host with a tap's ports",
        FILES,
        "files = { folder = \"results\" }\n[devices.r-1]\nprofile = \"robolector\"\ntime_zone = \"UTC\"\nsole_host = true\ntcp = { address = \"moxa:4001\", replies = \"moxa:4001\", mode = \"host\" }\n",
        &[SamePort, BadMode],
    ),
    Mistake("misspelt key", "time_zone =", "time_zon =", &[UnknownKey]),
    Mistake("misspelt optional key", FILES, "files = { folder = \"results\", backfil = \"all\" }\n", &[UnknownKey]),
    Mistake("another program's word for a key", HOST, "hostname = \"localhost\"\n", &[UnknownKey]),
    Mistake("misspelt table", "[brokers.main]", "[broker.main]", &[UnknownKey]),
    Mistake("unknown key of a device", DEVICE, "profile = \"biolector-pro\"\nowner = \"Kim\"\n", &[UnknownKey]),
    Mistake("unknown table", "[site]", "[dashboard]\ncolour = \"red\"\n\n[site]", &[IgnoredKey]),
    Mistake("unknown key of the log", "[site]", "[log]\ncolour = true\n\n[site]", &[IgnoredKey]),
    Mistake("misspelt key of the log", "[site]", "[log]\nfilte = \"debug\"\n\n[site]", &[IgnoredKey]),
    Mistake("number for a location", DEVICE, "profile = \"biolector-pro\"\nlocation = 217\n", &[IgnoredValue]),
    Mistake("number for a text", "\"Europe/Berlin\"", "2", &[WrongType]),
    Mistake("text for a number", HOST, "host = \"localhost\"\nport = \"1883\"\n", &[WrongType]),
    Mistake("text for a table", FILES, "files = \"results\"\n", &[WrongType]),
    Mistake("list of devices", "[devices.bl-1]", "[[devices]]", &[WrongType]),
    Mistake("device id with capitals", "devices.bl-1", "devices.BL_1", &[BadName]),
    Mistake("site with a space", "\"foundry\"", "\"Foundry 1\"", &[BadName]),
    Mistake("broker name with a dot", "brokers.main", "brokers.\"a.b\"", &[BadName]),
    Mistake("reserved device id", "devices.bl-1", "devices.lineage", &[ReservedName]),
    Mistake("device id twice", "[devices.bl-1]", "[devices.bl-1]\n\n[devices.bl-1]", &[DuplicateKey]),
    Mistake("unknown profile", "biolector-pro", "biolector-por", &[UnknownProfile]),
    Mistake("misspelt time zone", "Europe/Berlin", "Europe/Berln", &[BadTimeZone]),
    Mistake("city for a time zone", "Europe/Berlin", "Europe/New York", &[BadTimeZone]),
    Mistake("offset for a time zone", "Europe/Berlin", "UTC+2", &[BadTimeZone]),
    Mistake("abbreviation for a time zone", "Europe/Berlin", "CEST", &[BadTimeZone]),
    Mistake("no time zone", ZONE, "", &[MissingKey]),
    Mistake(
        "no profile and no files",
        "profile = \"biolector-pro\"\ntime_zone = \"Europe/Berlin\"\nfiles = { folder = \"results\" }",
        ZONE,
        &[MissingKey, OneLink],
    ),
    Mistake("no site", "[site]\nid = \"foundry\"\nnode = \"gateway-1\"\n", "", &[MissingKey]),
    Mistake(
        "no devices",
        "[devices.bl-1]\nprofile = \"biolector-pro\"\ntime_zone = \"Europe/Berlin\"\nfiles = { folder = \"results\" }\n",
        "",
        &[NoDevices],
    ),
    Mistake("no brokers", "[brokers.main]\nhost = \"localhost\"\n", "", &[NoBrokers]),
    Mistake("duration in words", PATH, "keep_for = \"5 minutes\"\n", &[BadDuration]),
    Mistake("duration without unit", PATH, "keep_for = 30\n", &[WrongType]),
    Mistake("duration out of range", HOST, "host = \"localhost\"\nkeep_alive = \"500ms\"\n", &[OutOfRange]),
    Mistake("size in lower case", PATH, "max_size = \"10gb\"\n", &[BadSize]),
    Mistake("size in words", PATH, "max_size = \"a lot\"\n", &[BadSize]),
    Mistake("size too small", PATH, "max_size = \"1 MB\"\n", &[OutOfRange]),
    Mistake("port out of range", HOST, "host = \"localhost\"\nport = 99999\n", &[OutOfRange]),
    Mistake("window of none", HOST, "host = \"localhost\"\nwindow = 0\n", &[OutOfRange]),
    Mistake("window too large", HOST, "host = \"localhost\"\nwindow = 101\n", &[OutOfRange]),
    Mistake("unknown choice", PATH, "when_full = \"drop\"\n", &[BadChoice]),
    Mistake("home folder", "\"results\"", "\"~/results\"", &[BadPath]),
    Mistake("share of a Windows machine", "\"results\"", "'\\\\biolector\\results'", &[BadPath]),
    Mistake("empty folder", "\"results\"", "\"\"", &[BadPath]),
    Mistake(
        "backfill without a day",
        FILES,
        "files = { folder = \"results\", backfill = \"2026-13-01\" }\n",
        &[BadDate],
    ),
    Mistake(
        "backfill from the future",
        FILES,
        "files = { folder = \"results\", backfill = 2999-01-01 }\n",
        &[FutureBackfill],
    ),
    Mistake("broker as a URL", HOST, "host = \"mqtts://kim:hunter2@broker.example.org:8883\"\n", &[BadHost]),
    Mistake("broker with its port", HOST, "host = \"localhost:1884\"\n", &[BadHost]),
    Mistake("topic root with a wildcard", HOST, "host = \"localhost\"\ntopic_root = \"lab/+\"\n", &[BadTopic]),
    Mistake("topic root with a leading slash", HOST, "host = \"localhost\"\ntopic_root = \"/lab\"\n", &[BadTopic]),
    Mistake(
        "response prefix with a wildcard",
        HOST,
        "host = \"localhost\"\nresponse_prefix = \"lab/#\"\n",
        &[BadTopic],
    ),
    Mistake(
        "password in clear",
        HOST,
        "host = \"localhost\"\nuser = \"kim\"\npassword = \"hunter2\"\n",
        &[PasswordInClear],
    ),
    Mistake("user without a password", HOST, "host = \"localhost\"\nuser = \"kim\"\n", &[NoPassword]),
    Mistake("password without a user", HOST, "host = \"localhost\"\npassword_file = \"pw\"\n", &[IncompleteLogin]),
    Mistake("empty user", HOST, "host = \"localhost\"\nuser = \" \"\npassword_file = \"pw\"\n", &[BadText]),
    Mistake(
        "certificate without its key",
        HOST,
        "host = \"localhost\"\ntls = { ca_file = \"ca.pem\", cert_file = \"me.pem\" }\n",
        &[IncompleteTls],
    ),
    Mistake("plaintext to another machine", "\"localhost\"", "\"broker.example.org\"", &[Plaintext]),
    Mistake("port of the other kind", HOST, "host = \"localhost\"\nport = 8883\n", &[OddPort]),
    Mistake(
        "same client id",
        "[devices.bl-1]",
        "[brokers.second]\nhost = \"Localhost\"\n\n[devices.bl-1]",
        &[SameClientId],
    ),
    Mistake(
        "two devices on one folder",
        "[devices.bl-1]",
        "[devices.bl-2]\nprofile = \"biolector-1\"\ntime_zone = \"Etc/UTC\"\nfiles = { folder = \"../instrumentd/results\" }\n\n[devices.bl-1]",
        &[SameFolder],
    ),
    Mistake(
        "a folder within another's",
        "[devices.bl-1]",
        "[devices.bl-0]\nprofile = \"biolector-1\"\ntime_zone = \"Etc/UTC\"\nfiles = { folder = \"results/old\" }\n\n[devices.bl-1]",
        &[SameFolder],
    ),
    Mistake("the journal's folder", "\"results\"", "\"journal\"", &[FolderHoldsJournal]),
    Mistake("log filter", "[site]", "[log]\nfilter = \"loud=ly=\"\n\n[site]", &[BadFilter]),
    Mistake(
        "override the wrong way round",
        FILES,
        "files = { folder = \"results\" }\noverrides.ranges.ph = { min = 9, max = 3 }\n",
        &[OutOfRange],
    ),
    Mistake(
        "misspelt override",
        FILES,
        "files = { folder = \"results\" }\noverrides.times.setle = \"1s\"\n",
        &[UnknownKey],
    ),
    Mistake("no profiles' folder", "[site]", "profiles = \"nowhere\"\n\n[site]", &[Unreadable]),
    Mistake("unquoted text", "\"gateway-1\"", "gateway-1", &[Syntax]),
    Mistake("quote that is not closed", "\"foundry\"", "\"foundry", &[Syntax]),
    Mistake("heading that is not closed", "[journal]", "[journal", &[Syntax]),
];

/// A BioLector with its service, beside the device of [`GOOD`].
const SERVICE: &str = r#"
[devices.xt]
profile = "biolector-xt"
time_zone = "Europe/Berlin"
grpc = { endpoint = "grpcs://xt.lab.example:50051", ca = "ca.pem", certificate = "me.pem", key = "me.key", token_file = "token" }
"#;

/// One mistake in [`SERVICE`].
const SERVICE_MISTAKES: &[Mistake] = &[
    Mistake("service without TLS", "grpcs://", "grpc://", &[Plaintext, IncompleteTls, IncompleteTls, IncompleteTls]),
    Mistake("plaintext with TLS", "ca =", "plaintext = true, ca =", &[Plaintext]),
    Mistake("another scheme", "grpcs://", "https://", &[BadHost]),
    Mistake("no port", ":50051", "", &[BadHost]),
    Mistake("no authority", "ca = \"ca.pem\", ", "", &[IncompleteTls]),
    Mistake("key without its certificate", "certificate = \"me.pem\", ", "", &[IncompleteTls]),
    Mistake("token in clear", "token_file = \"token\"", "token = \"hunter2\"", &[PasswordInClear]),
    Mistake("misspelt key of a service", "token_file", "tokenfile", &[UnknownKey]),
    Mistake("service of another BioLector", "biolector-xt", "biolector-1", &[WrongFamily]),
    Mistake("deadline of nothing", "ca =", "call_timeout = \"0s\", ca =", &[OutOfRange]),
];

#[test]
fn each_mistake_is_explained_at_its_place() {
    insta::assert_snapshot!("mistakes", explained(GOOD, MISTAKES));
    let with_robot = format!("{GOOD}{ROBOT}");
    assert_eq!(valid(&with_robot).warnings, []);
    insta::assert_snapshot!("robot_mistakes", explained(&with_robot, ROBOT_MISTAKES));
    let with_service = format!("{GOOD}{SERVICE}");
    assert_eq!(valid(&with_service).warnings, []);
    insta::assert_snapshot!("service_mistakes", explained(&with_service, SERVICE_MISTAKES));
}

/// What is said about each mistake in `good`.
fn explained(good: &str, mistakes: &[Mistake]) -> String {
    let mut said = String::new();
    for Mistake(name, from, to, codes) in mistakes {
        assert!(good.contains(from), "{name}: {from}");
        let text = good.replacen(from, to, 1);
        let problems = match parsed(&text) {
            Ok(loaded) => Problems(loaded.warnings),
            Err(problems) => problems,
        };
        let found: Vec<Code> = problems.0.iter().map(|problem| problem.code).collect();
        assert_eq!(&found, codes, "{name}\n{problems}");
        let _ = writeln!(said, "==== {name} ====\n{problems}\n");
    }
    assert!(!said.contains("hunter2"), "a password is shown");
    said
}

#[test]
fn a_configuration_in_another_encoding_is_refused_at_the_byte() {
    let problem = utf8("instrumentd.toml", b"# M\xC3\xBCnchen\nlocation = \"M\xFCnchen\"\n").expect_err("not UTF-8");
    insta::assert_snapshot!("not_utf8", problem);
    assert_eq!(utf8("f", "# Zürich".as_bytes()).expect("UTF-8"), "# Zürich");
}

#[test]
fn all_problems_are_said_at_once_in_the_order_of_the_file() {
    let text = GOOD
        .replace("\"foundry\"", "\"Foundry\"")
        .replace("path =", "max_size = \"2\"\npath =")
        .replace(HOST, "host = \"localhost\"\nwindow = 0\n")
        .replace("biolector-pro", "biolector-por")
        .replace("Berlin", "Berln")
        .replace("results", "journal");
    let problems = parsed(&text).expect_err("mistakes");
    let found: Vec<Code> = problems.0.iter().map(|problem| problem.code).collect();
    assert_eq!(found, [BadName, BadSize, OutOfRange, UnknownProfile, BadTimeZone, FolderHoldsJournal]);
    assert_eq!(problems.summary(), "6 errors, 0 warnings");
}

#[test]
fn a_syntax_error_does_not_hide_other_mistakes() {
    let text = GOOD.replace("\"foundry\"", "foundry").replace("Berlin", "Berln");
    let found: Vec<Code> = parsed(&text).expect_err("mistakes").0.iter().map(|problem| problem.code).collect();
    assert_eq!(found, [Syntax, BadTimeZone]);
}

#[test]
fn every_kind_of_problem_of_a_file_occurs() {
    let mut seen: BTreeSet<Code> =
        MISTAKES.iter().chain(ROBOT_MISTAKES).flat_map(|mistake| mistake.3.iter().copied()).collect();
    seen.insert(NotUtf8);
    // Those of profiles are in the profiles' tests, those of the machine in those of `check`.
    seen.extend(crate::profile::tests::SEEN);
    seen.extend(crate::cli::check::tests::SEEN);
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), Code::ALL);
}
