//! The robot at work: what it is asked to do, and what it says it did.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::mpsc::TryRecvError;

use instrument_proto::codec::star::Framing;
use instrument_proto::geometry::YAxis;
use instrumentd_simulators::Pace;
use instrumentd_simulators::robolector::{
    Access, Action, Deck, Dialect, Place, Ports, Robolector, Settings, Transfer, Truth, What,
};

use super::stage;

/// Truths that were not taken yet; when there are so many the robot waits. The whole story has fewer.
const UNTOLD: usize = 4096;
/// The plate in the BioLector and the deep-well plate, as the deck names them.
const CULTURES: &str = "cultures";
const SAMPLES: &str = "samples";
/// What is taken of each well, microlitres of liquid.
const VOLUME_UL: f64 = 100.0;
/// Wells that are sampled: the first column of a FlowerPlate.
const ROWS: u8 = 6;
/// The pause in which the cable is pulled, and the first row for which it is.
const CABLE_PULLED: u8 = 4;
const FIRST_UNHEARD: u8 = 3;

/// One thing the robot is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Errand {
    /// Rows of the wells of the first column.
    rows: std::ops::Range<u8>,
    /// The column of the deep-well plate, from 0.
    column: u8,
    /// Whether the cable is pulled in the middle of its first command.
    pub pulls_cable: bool,
}

/// Liquid that went from a culture into a sample well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sampled {
    /// The well of the culture.
    pub from: String,
    /// The well of the deep-well plate.
    pub to: String,
    /// Whether all of it went over the line whole.
    pub heard: bool,
}

/// A robot on a pseudo-terminal.
#[derive(Debug)]
pub struct Robot {
    robolector: Robolector,
    errands: VecDeque<Errand>,
    pauses: u8,
    asked: usize,
    done: Done,
}

/// What the robot says it did.
#[derive(Debug, Default)]
struct Done {
    tips_on: usize,
    tips_off: usize,
    /// What is in the tips: the well, and whether the line carried it whole.
    in_tips: BTreeMap<u8, (String, bool)>,
    sampled: Vec<Sampled>,
}

/// What stands on the deck, as tables of the daemon's configuration.
pub fn deck_tables() -> String {
    Deck::standard(YAxis::ToTheBack).to_configuration(stage::ROBOLECTOR, stage::BIOLECTOR)
}

impl Robot {
    /// Switches it on; it waits until somebody listens on its line.
    pub fn start(folder: &Path, pace: f64) -> anyhow::Result<Self> {
        let dialect = Dialect::Star(Framing::default());
        let ports = Ports::One(folder.join(stage::LINE));
        let settings = Settings { pace: Pace::Times(pace), stay: true, ..Settings::new(dialect, ports) };
        let robolector = Robolector::spawn(settings, UNTOLD)?;
        Ok(Self { robolector, errands: VecDeque::new(), pauses: 0, asked: 0, done: Done::default() })
    }

    /// The run pauses: the next column of samples is due.
    pub fn plate_is_free(&mut self) {
        let column = self.pauses;
        self.pauses += 1;
        let errand = |rows, pulls_cable| Errand { rows, column, pulls_cable };
        if self.pauses == CABLE_PULLED {
            self.errands.extend([errand(0..FIRST_UNHEARD, false), errand(FIRST_UNHEARD..ROWS, true)]);
        } else {
            self.errands.push_back(errand(0..ROWS, false));
        }
    }

    /// Takes in what it did, and begins what is due once it is done with what went before; gives what it began.
    pub fn look(&mut self) -> anyhow::Result<Option<Errand>> {
        loop {
            match self.robolector.truths().try_recv() {
                Ok(truth) => self.done.take(&truth),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => anyhow::bail!("the simulated robot has ended before its time"),
            }
        }
        if !self.is_resting() {
            return Ok(None);
        }
        let Some(errand) = self.errands.pop_front() else { return Ok(None) };
        if errand.pulls_cable {
            self.robolector.pull_cable();
        }
        let transfers: Vec<Transfer> = errand.transfers().collect();
        self.asked += transfers.len();
        let access = Access { at_s: 0.0, actions: vec![Action::Transfer(transfers)] };
        self.robolector.ask(access).map_err(|_| anyhow::anyhow!("the simulated robot takes no more errands"))?;
        Ok(Some(errand))
    }

    /// Whether it has done what it began; more may be due.
    pub fn is_resting(&self) -> bool {
        self.asked == self.done.sampled.len() && self.done.tips_on == self.done.tips_off
    }

    /// Whether it has done all that it was asked for.
    pub fn is_idle(&self) -> bool {
        self.is_resting() && self.errands.is_empty()
    }

    /// What it has sampled so far, in order.
    pub fn sampled(&self) -> &[Sampled] {
        &self.done.sampled
    }

    /// How many of these samplings went over the line whole.
    pub fn heard(&self) -> usize {
        self.done.sampled.iter().filter(|sampled| sampled.heard).count()
    }

    /// Switches it off.
    pub async fn end(self) -> anyhow::Result<Vec<Sampled>> {
        let Self { robolector, mut done, .. } = self;
        tokio::task::spawn_blocking(move || {
            while let Ok(truth) = robolector.truths().try_recv() {
                done.take(&truth);
            }
            drop(robolector);
            done.sampled
        })
        .await
        .map_err(anyhow::Error::from)
    }
}

impl Errand {
    fn transfers(&self) -> impl Iterator<Item = Transfer> {
        let column = self.column;
        self.rows.clone().map(move |row| Transfer {
            source: Place::new(CULTURES, row, 0),
            destination: Place::new(SAMPLES, row, column),
            volume_ul: VOLUME_UL,
        })
    }

    /// What it is, in words.
    pub fn in_words(&self) -> String {
        let wells: Vec<String> = self.transfers().map(|transfer| transfer.source.label()).collect();
        let (first, last) = (wells.first().map_or("", String::as_str), wells.last().map_or("", String::as_str));
        format!(
            "{VOLUME_UL} µl each of the wells {first} to {last} into column {} of its deep-well plate",
            self.column + 1
        )
    }
}

impl Done {
    fn take(&mut self, truth: &Truth) {
        match &truth.what {
            What::TipOn { .. } => self.tips_on += 1,
            What::TipOff { .. } => self.tips_off += 1,
            What::Aspirated { channel, place, .. } => {
                self.in_tips.insert(*channel, (place.well.clone(), truth.heard));
            }
            What::Dispensed { channel, place, .. } => {
                if let Some((from, heard)) = self.in_tips.remove(channel) {
                    self.sampled.push(Sampled { from, to: place.well.clone(), heard: heard && truth.heard });
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use instrumentd_simulators::robolector::Spot;

    use super::*;

    fn truth(heard: bool, what: What) -> Truth {
        Truth { at_s: 1.0, access: 1, heard, what }
    }

    fn spot(labware: &str, well: &str) -> Spot {
        Spot { labware: labware.to_owned(), well: well.to_owned() }
    }

    #[test]
    fn a_sampling_is_heard_when_both_its_halves_are() {
        for (aspirated, dispensed) in [(true, true), (true, false), (false, true), (false, false)] {
            let mut done = Done::default();
            let (volume_ul, piston_ul) = (100.0, 107.2);
            let place = spot(CULTURES, "A01");
            done.take(&truth(aspirated, What::Aspirated { channel: 1, place, volume_ul, piston_ul }));
            let place = spot(SAMPLES, "A02");
            done.take(&truth(dispensed, What::Dispensed { channel: 1, place, volume_ul, piston_ul }));
            let expected = Sampled { from: "A01".to_owned(), to: "A02".to_owned(), heard: aspirated && dispensed };
            assert_eq!(done.sampled, [expected]);
        }
    }

    #[test]
    fn an_errand_says_what_it_is() {
        let errand = Errand { rows: 0..6, column: 1, pulls_cable: false };
        assert_eq!(errand.in_words(), "100 µl each of the wells A01 to F01 into column 2 of its deep-well plate");
    }
}
