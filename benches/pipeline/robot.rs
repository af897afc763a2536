//! A robot on a pseudo-terminal, and what its control software and it say to each other.

use std::fs::File;
use std::io::Write as _;

use instrument_proto::geometry::{Position, YAxis};
use instrumentd_simulators::robolector::{Deck, Place};
use rustix::pty::{self, OpenptFlags};

use crate::place::Delivery;

/// The far end of a line that a daemon listens to.
pub struct Robot {
    pub near: String,
    far: File,
    channels: usize,
    wells: Vec<[Position; 2]>,
    exchanges: usize,
}

impl Robot {
    /// A robot of which one channel works, or two: so many events each exchange gives. With two that is one for each of its lines.
    pub fn new(channels: usize) -> Self {
        let far = pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a pty");
        pty::grantpt(&far).expect("granted");
        pty::unlockpt(&far).expect("unlocked");
        let near = pty::ptsname(&far, Vec::new()).expect("a name").into_string().expect("a name in UTF-8");
        let deck = deck();
        let well = |row, column| deck.centre(&Place::new("cultures", row, column)).expect("a well");
        let wells = (0..8).map(|column| [well(0, column), well(1, column)]).collect();
        Self { near, far: File::from(far), channels, wells, exchanges: 0 }
    }

    /// The next command and its reply. In turn, liquid is drawn from wells of the culture plate and given back: that mixes, and each channel's part
    /// is one event.
    pub fn exchange(&mut self) -> [Vec<u8>; 2] {
        let number = self.exchanges;
        self.exchanges += 1;
        let id = number % 9999 + 1;
        let [one, two] = self.wells[number / 2 % self.wells.len()];
        let (code, volume) = if number.is_multiple_of(2) { ("AS", "av") } else { ("DS", "dv") };
        let (two, works) = if self.channels == 2 { (two, 1) } else { (Position { x: 0, y: 0 }, 0) };
        let at = format!("tm1 {works} 0&xp{:05} {:05} 00000&yp{:04} {:04} 0000&", one.x, two.x, one.y, two.y);
        let command = format!(
            "C0{code}id{id:04}at0 0 0&{at}th2450te2450lp2000 2000 2000&ch000 000 000&zl1866 1866 1866&\
             po0100 0100 0100&zu0032 0032 0032&zr06180 06180 06180&zx1866 1866 1866&ip0000 0000 0000&it0 0 0&\
             fp0000 0000 0000&{volume}01072 01072 00000&as1000 1000 1000&ta000 000 000&ba0000 0000 0000&oa000 000 000&\
             lm0 0 0&ll1 1 1&lv1 1 1&zo000 000 000&ld00 00 00&de0020 0020 0020&wt10 10 10&gi000 000 000&gj0gk0lk0 0 0&\r\n"
        );
        [command.into_bytes(), format!("C0{code}id{id:04}er00/00\r\n").into_bytes()]
    }

    /// Writes to the line.
    pub fn say(&mut self, bytes: &[u8]) {
        self.far.write_all(bytes).expect("the line takes it");
    }

    /// The device's tables in the daemon's configuration.
    pub fn configuration(&self, device: &str) -> String {
        format!(
            "[devices.{device}]\nprofile = \"robolector\"\ntime_zone = \"Europe/Berlin\"\nserial = {{ port = \"{}\" }}\n{}",
            self.near,
            deck().to_configuration(device, "biolector")
        )
    }
}

/// The tables of the device in which the cells of every robot's plate grow, with results in the folder `results`.
pub fn biolector(folder: &std::path::Path) -> &'static str {
    std::fs::create_dir(folder.join("results")).expect("a folder");
    "[devices.biolector]\nprofile = \"biolector-pro\"\ntime_zone = \"Europe/Berlin\"\nfiles = { folder = \"results\" }\n"
}

/// Whether an event is one of those that [`Robot::exchange`] leads to.
pub fn is_counted(event: &Delivery) -> bool {
    let text = String::from_utf8_lossy(&event.payload);
    assert!(!event.topic.ends_with("device/gap"), "something was lost: {text}");
    ["sampling/aspirated", "sampling/dispensed"].iter().any(|end| event.topic.ends_with(end))
}

fn deck() -> Deck {
    Deck::standard(YAxis::ToTheBack)
}
