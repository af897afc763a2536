//! Sixty-four robots in one daemon.

use std::time::Duration;

use crate::latency::{paced, receive};
use crate::place::{Broker, Daemon, subscribe, wait_online};
use crate::robot::{Robot, biolector, is_counted};
use crate::{Wanted, verdict};

const ROBOTS: usize = 64;
/// Lines of each robot in a second, and for how many seconds.
const RATE: usize = 50;
const SECONDS: usize = 10;

pub fn measure() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(broker) = Broker::start(folder.path()) else { return };
    let deliveries = subscribe(broker.port, "instrumentd/v1/#");
    let mut robots: Vec<Robot> = (0..ROBOTS).map(|_| Robot::new(2)).collect();
    let folder = tempfile::tempdir_in(".").expect("a folder on the disk of the project");
    let mut tables = biolector(folder.path()).to_owned();
    for (number, robot) in robots.iter().enumerate() {
        tables.push_str(&robot.configuration(&format!("robot-{number}")));
    }
    let daemon = Daemon::with(broker.port, folder, &tables);
    wait_online(&deliveries, ROBOTS + 1);
    let before = daemon.processor_s();
    let mut replies = vec![None; ROBOTS];
    // Each robot in its turn: a command, and the next time its reply.
    let every = Duration::from_secs(1) / (ROBOTS * RATE) as u32;
    paced(every, 0..ROBOTS * RATE * SECONDS, |number| {
        let (robot, reply) = (&mut robots[number % ROBOTS], &mut replies[number % ROBOTS]);
        let line = reply.take().unwrap_or_else(|| {
            let [command, next] = robot.exchange();
            *reply = Some(next);
            command
        });
        robot.say(&line);
    });
    // Two channels work: an event for each line.
    let expected = ROBOTS * RATE * SECONDS;
    let mut of_robot = std::collections::BTreeMap::<String, usize>::new();
    for _ in 0..expected {
        let topic = loop {
            let event = receive(&deliveries);
            if is_counted(&event) {
                break event.topic;
            }
        };
        *of_robot.entry(topic).or_default() += 1;
    }
    let share = (daemon.processor_s() - before) / SECONDS as f64 * 100.0;
    println!("  {expected} events of {ROBOTS} robots in {SECONDS} s, with {share:.0} % of a core");
    let lacking = of_robot.values().filter(|events| **events != expected / ROBOTS / 2).count();
    verdict("kinds of events of a robot that are not all there", lacking as f64, Wanted::AtMost(0.0), "");
    verdict("peak resident memory with 64 robots", daemon.memory_mb("VmHWM"), Wanted::AtMost(60.0), "MB");
}
