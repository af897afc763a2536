//! A robot's line that goes on while the broker is away: a line cannot be read again, so what it said must be in the journal.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write as _;
use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use instrument_proto::codec::star::Framing;
use instrument_proto::geometry::YAxis;
use instrumentd_simulators::robolector::{
    Access, Action, Deck, Dialect, Place as Well, Plan, Ports, Recording, Settings, Transfer, What,
};
use rustix::pty::{self, OpenptFlags};
use serde_json::Value;

use crate::daemon::{DEVICE, Place, binary};
use crate::mosquitto::Mosquitto;
use crate::real_runs::essence;
use crate::subscriber::Subscriber;
use crate::wait_for;

const ROBOT: &str = "robot";
/// 200 lines a second.
const EVERY: Duration = Duration::from_millis(5);
const LINES: usize = 2000;
/// The broker goes in the middle, and is back after so many further lines: three seconds.
const GOES_AFTER: usize = LINES / 2;
const AWAY: usize = 600;
/// What a robot says and hears of one sample: it takes a tip, aspirates, dispenses and drops the tip, and each is answered.
const LINES_OF_A_SAMPLE: usize = 8;

/// What control software and robot say to each other while it takes a sample again and again, one at a time, and how many samples it took.
fn conversation(deck: &Deck) -> (Vec<Vec<u8>>, usize) {
    let sample = |number: usize| {
        let (culture, well) = (number % 48, number % 96);
        let source = Well::new("cultures", (culture % 6) as u8, (culture / 6) as u8);
        let destination = Well::new("samples", (well % 8) as u8, (well / 8) as u8);
        let transfer = Transfer { source, destination, volume_ul: 20.0 };
        Access { at_s: 0.0, actions: vec![Action::Transfer(vec![transfer])] }
    };
    let plan = Plan { accesses: (0..LINES / LINES_OF_A_SAMPLE).map(sample).collect() };
    let dialect = Dialect::Star(Framing::default());
    let settings = Settings { plan, deck: deck.clone(), ..Settings::new(dialect, Ports::One("line".into())) };
    let recording = Recording::make(settings).expect("it plays");
    let lines: Vec<Vec<u8>> = recording.openings.iter().flat_map(|o| &o.said).map(|said| said.bytes.clone()).collect();
    let done = |what: &What| matches!(what, What::Dispensed { place, .. } if place.labware == "samples");
    (lines, recording.truths.iter().filter(|truth| done(&truth.what)).count())
}

/// The far end of a new pseudo-terminal, and the near one's name.
fn terminal() -> (File, String) {
    let far = pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a pty");
    pty::grantpt(&far).expect("granted");
    pty::unlockpt(&far).expect("unlocked");
    let near = pty::ptsname(&far, Vec::new()).expect("a name").into_string().expect("text");
    (File::from(far), near)
}

/// Says the lines at their pace; `said` counts them.
fn speak(mut far: File, lines: Vec<Vec<u8>>, said: Arc<AtomicUsize>) -> std::thread::JoinHandle<File> {
    std::thread::spawn(move || {
        let (_sender, receiver) = std::sync::mpsc::channel::<()>();
        let begin = Instant::now();
        for (number, line) in (0u32..).zip(lines) {
            let _ = receiver.recv_timeout((EVERY * number).saturating_sub(begin.elapsed()));
            far.write_all(&line).expect("the line takes it");
            said.fetch_add(1, Ordering::Relaxed);
        }
        // Open still: a line that ends is another story.
        far
    })
}

/// The events of the robot's line itself, without those of its being connected.
fn of_the_line(events: impl IntoIterator<Item = Value>) -> Vec<Value> {
    let own = |event: &Value| event["type"].as_str().is_some_and(|name| name.starts_with("instrumentd.device."));
    events.into_iter().filter(|event| event["partitionkey"] == ROBOT && !own(event)).collect()
}

/// What the daemon's own recording of the line is decoded to where there is no broker.
fn replayed(place: &Place) -> Vec<Value> {
    let folder = std::fs::read_dir(place.root.path().join("captures")).expect("a folder");
    let mut captures: Vec<_> = folder.map(|entry| entry.expect("an entry").path()).collect();
    captures.sort();
    let Output { status, stdout, stderr } = binary()
        .args(["replay", "--profile", "robolector", "--device", ROBOT, "--config"])
        .arg(place.config())
        .args(captures)
        .output()
        .expect("replay runs");
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    let text = String::from_utf8(stdout).expect("UTF-8");
    text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

/// Has a robot speak, takes the broker away with `signal` meanwhile, and sees that the subscriber has everything in the end.
fn a_broker_goes_and_comes_back(mut broker: Mosquitto, subscriber: &Subscriber, signal: &str) {
    let deck = Deck::standard(YAxis::ToTheBack);
    let (lines, samples) = conversation(&deck);
    // It asks for a few things before it begins.
    assert!(lines.len() >= LINES && samples == LINES / LINES_OF_A_SAMPLE, "{} lines, {samples} samples", lines.len());
    let (far, near) = terminal();
    let place = Place::new("biolector-pro", broker.port);
    std::fs::create_dir(place.root.path().join("captures")).expect("a folder");
    place.configure(&format!(
        "\n[devices.{ROBOT}]\nprofile = \"robolector\"\ntime_zone = \"UTC\"\n\
         serial = {{ port = \"{near}\", capture = {{ folder = \"captures\" }} }}\n{}",
        deck.to_configuration(ROBOT, DEVICE)
    ));
    let daemon = place.run();
    let state = format!("instrumentd/v1/lab/devices/{ROBOT}/state");
    let says = |what: &dyn Fn(&Value) -> bool| subscriber.with(|r| r.retained.get(&state).is_some_and(what));
    wait_for("the line to be open", || says(&|state| state["connection"] == "connected"));

    let said = Arc::new(AtomicUsize::new(0));
    let speaking = speak(far, lines, said.clone());
    let so_far = || said.load(Ordering::Relaxed);
    wait_for("half of the lines", || so_far() >= GOES_AFTER);
    let before = subscriber.with(|r| r.events.len());
    broker.down(signal);
    wait_for("three seconds of lines", || so_far() >= GOES_AFTER + AWAY);
    broker.up();
    assert!(so_far() < LINES, "the robot works on after the broker is back");
    assert!(before > 0, "some events came before");
    let _far = speaking.join().expect("all is said");

    let taken = |events: &[Value]| events.iter().filter(|e| e["type"] == "instrumentd.sampling.completed.v1").count();
    wait_for("the journal to have every sample", || taken(&place.recorded()) >= samples);
    let recorded: Vec<Value> = place.recorded().into_iter().filter(|event| event["partitionkey"] == ROBOT).collect();
    let last = recorded.len() as u64;
    wait_for("the daemon's word that this is all", || says(&|state| state["last_sequence"] == last));
    if signal == "KILL" {
        // What it had acknowledged and not yet delivered died with it, and is asked for.
        let journal = subscriber.with(|r| r.retained[&state]["journal"].as_str().expect("a journal").to_owned());
        println!(
            "{} of {last} events died with the broker or came before the subscriber was back",
            subscriber.holes(ROBOT, last).len()
        );
        subscriber.fill_holes("gateway", ROBOT, &journal, last);
    }
    wait_for("every event", || subscriber.holes(ROBOT, last).is_empty());
    println!("{last} events of {samples} samples, {before} of them before the broker went");

    subscriber.with(|received| {
        assert_eq!(received.complaints, Vec::<String>::new());
        let got: Vec<&Value> =
            received.events.iter().filter(|((of, _), _)| of == ROBOT).map(|(_, (event, _))| event).collect();
        assert_eq!(got.len(), recorded.len(), "sequences are 1..n without a hole, and no further one");
        for (got, recorded) in got.iter().zip(&recorded) {
            assert_eq!(essence(got), essence(recorded));
        }
    });
    let kinds: BTreeSet<&str> = recorded.iter().filter_map(|event| event["type"].as_str()).collect();
    assert!(!kinds.contains("instrumentd.device.gap.v1") && !kinds.contains("instrumentd.device.disconnected.v1"));
    assert_eq!(taken(&recorded), samples, "as many samples as the robot took");
    assert!(daemon.end("TERM").success(), "{}", place.log());

    // The same lines without any broker.
    let ids = |events: &[Value]| events.iter().map(|event| event["id"].clone()).collect::<Vec<_>>();
    let told = of_the_line(recorded);
    let offline = replayed(&place);
    // That the robot left the plate only silence tells, which a replay has not.
    assert_eq!(ids(&told), ids(&offline)[..told.len()]);
    assert!(offline.len() - told.len() <= 1, "{} and {}", told.len(), offline.len());
}

#[test]
fn a_broker_that_restarts_while_a_robot_works_costs_not_one_event() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(broker) = Mosquitto::start_persistent(folder.path()) else { return };
    let subscriber = Subscriber::connect_remembered(broker.port);
    a_broker_goes_and_comes_back(broker, &subscriber, "TERM");
    assert!(subscriber.with(|r| r.answers.is_empty()), "nothing had to be asked for");
}

#[test]
fn a_broker_that_is_killed_and_forgets_all_while_a_robot_works_costs_not_one_event() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(broker) = Mosquitto::start(folder.path()) else { return };
    let subscriber = Subscriber::connect(broker.port);
    a_broker_goes_and_comes_back(broker, &subscriber, "KILL");
}
