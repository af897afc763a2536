//! From a robot's line to a subscriber: one line every 5 ms, and as many as the line takes.

use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use crate::latency::{arrivals, compare, in_turns, millis, paced, receive};
use crate::place::{Broker, Daemon, Delivery, subscribe, wait_online};
use crate::robot::{Robot, biolector, is_counted};
use crate::{Wanted, bare, verdict};

const LINES: usize = 2000;
/// The daemon and the bare pipeline take so many turns each.
const TURNS: usize = 10;
const EVERY: Duration = Duration::from_millis(5);
const BURST: usize = 20_000;

/// Last byte on the wire to the event, at 200 lines a second, of which every second one completes an event, against a bare pipeline that is fed the same
/// lines in the same run and passes on each.
pub fn line() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(broker) = Broker::start(folder.path()) else { return };

    // The bare pipeline: every line is one row.
    let to_bare = subscribe(broker.port, "bare/events");
    let mut passed_on = Robot::new(1);
    let pipe = {
        let (near, port) = (passed_on.near.clone(), broker.port);
        std::thread::spawn(move || bare::pipeline(port, |line| bare::serial(&near, line)))
    };
    warm_up(&mut passed_on, &to_bare, |_| true);

    // The daemon: every second line is a reply, which makes an event.
    let (daemon, mut robot, to_daemon) = listening(&broker, 1);
    warm_up(&mut robot, &to_daemon, is_counted);

    let (mut ours, mut bare) = in_turns(
        0..TURNS,
        |_| {
            let replies: Vec<Instant> = feed(&mut robot).into_iter().skip(1).step_by(2).collect();
            arrivals(&replies, &to_daemon, is_counted)
        },
        |_| arrivals(&feed(&mut passed_on), &to_bare, |_| true),
    );
    drop(passed_on);
    let _ = pipe.join();
    drop(daemon);
    println!("  {} events of {LINES} lines", ours.len());
    compare("last byte", &mut ours, &mut bare);
}

/// As many lines as the line takes at once: how fast they are events, committed and received.
pub fn burst() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(broker) = Broker::start(folder.path()) else { return };
    // Two channels work: an event for each line.
    let (daemon, mut robot, deliveries) = listening(&broker, 2);
    warm_up(&mut robot, &deliveries, is_counted);
    let lines: Vec<u8> = (0..BURST / 2).flat_map(|_| robot.exchange()).flatten().collect();
    let events = BURST;
    let begin = Instant::now();
    let feeding = std::thread::spawn(move || {
        robot.say(&lines);
        (robot, begin.elapsed())
    });
    let mut last = begin;
    for _ in 0..events {
        last = counted(&deliveries).at;
    }
    let seconds = (last - begin).as_secs_f64();
    let (_robot, taken) = feeding.join().expect("all is written");
    println!(
        "  {events} events of {BURST} lines in {:.0} ms; the line took them in {:.0} ms",
        seconds * 1e3,
        millis(taken)
    );
    verdict(
        "events of a burst, committed and received",
        events as f64 / seconds,
        Wanted::AtLeast(20_000.0),
        "events/s",
    );
    drop(daemon);
}

fn listening(broker: &Broker, channels: usize) -> (Daemon, Robot, Receiver<Delivery>) {
    let deliveries = subscribe(broker.port, "instrumentd/v1/#");
    let robot = Robot::new(channels);
    let folder = tempfile::tempdir_in(".").expect("a folder on the disk of the project");
    let tables = format!("{}{}", biolector(folder.path()), robot.configuration("robot"));
    let daemon = Daemon::with(broker.port, folder, &tables);
    wait_online(&deliveries, 2);
    (daemon, robot, deliveries)
}

/// Exchanges until something comes of them, and then until nothing more does.
fn warm_up(robot: &mut Robot, deliveries: &Receiver<Delivery>, is_wanted: impl Fn(&Delivery) -> bool) {
    let comes = || {
        let until = Instant::now() + Duration::from_millis(300);
        std::iter::from_fn(|| deliveries.recv_timeout(until.saturating_duration_since(Instant::now())).ok())
            .any(|delivery| is_wanted(&delivery))
    };
    loop {
        // Two, so that what is drawn is given back.
        for line in robot.exchange().into_iter().chain(robot.exchange()) {
            robot.say(&line);
        }
        if comes() {
            break;
        }
    }
    while comes() {}
}

fn feed(robot: &mut Robot) -> Vec<Instant> {
    let lines: Vec<Vec<u8>> = (0..LINES / TURNS / 2).flat_map(|_| robot.exchange()).collect();
    paced(EVERY, lines.iter(), |line| robot.say(line))
}

fn counted(deliveries: &Receiver<Delivery>) -> Delivery {
    loop {
        let delivery = receive(deliveries);
        if is_counted(&delivery) {
            return delivery;
        }
    }
}
