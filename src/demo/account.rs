//! The count at the end.

use std::fmt;

use super::ejector::Shots;
use super::score::{Made, Score, Scores};
use super::stage::DEVICES;

/// What was made, what arrived, and what the instruments say they did.
#[derive(Debug, Clone, Default)]
pub struct Account {
    /// Events in the journal.
    pub made: Made,
    /// What the subscriber counted.
    pub scores: Scores,
    /// Wells that the robot sampled.
    pub sampled: usize,
    /// Those of them of which the line carried everything.
    pub sampled_heard: usize,
    /// `sampling.completed` events that arrived.
    pub samplings: usize,
    /// What came of the ejector's shots.
    pub shots: Shots,
    /// `ejection.ejected` events of samples that arrived.
    pub ejections: usize,
    /// `ejection.failed` events that arrived.
    pub missed: usize,
    /// Acquisitions that the mass spectrometer wrote to their end.
    pub written: usize,
    /// `acquisition.completed` events that arrived.
    pub acquisitions: usize,
    /// Readings that the BioLector XT made.
    pub readings: usize,
    /// `cultivation.measured` events of it that arrived.
    pub measured: usize,
}

impl Account {
    /// Whether nothing was lost and nothing came out of order. Repeated messages are in the contract.
    pub fn is_flawless(&self) -> bool {
        self.made.values().sum::<u64>() > 0
            && self.scores.missing(&self.made) == 0
            && self.scores.out_of_order() == 0
            && self.scores.unreadable == 0
    }

    /// Whether everything that could be seen of the instruments' work was told, once each.
    pub fn agrees(&self) -> bool {
        self.samplings == self.sampled_heard
            && self.acquisitions == self.written
            && (self.ejections, self.missed) == (self.shots.ejected, self.shots.missed)
            && self.measured == self.readings
    }

    fn row(&self, name: &str, all: u64, of: impl Fn(u64, Score) -> u64) -> String {
        let mut row = format!("\n  {name:<14}{all:>8}");
        for device in DEVICES {
            let made = self.made.get(device).copied().unwrap_or_default();
            row += &format!("{:>14}", of(made, self.scores.of(device)));
        }
        row
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { made, scores, .. } = self;
        write!(f, "The subscriber, which knows nothing of the daemon, has counted:\n  {:<14}{:>8}", "", "all")?;
        for device in DEVICES {
            write!(f, "{device:>14}")?;
        }
        f.write_str(&self.row("made", made.values().sum(), |made, _| made))?;
        f.write_str("   events in the journal")?;
        f.write_str(&self.row("received", scores.received(), |_, score| score.received))?;
        f.write_str("   messages")?;
        f.write_str(&self.row("missing", scores.missing(made), |made, score| score.missing(made)))?;
        f.write_str(&self.row("repeated", scores.repeated(), |_, score| score.repeated))?;
        if scores.repeated() > 0 {
            f.write_str("   the same event with the same id: nobody can say what a cut connection still carried")?;
        }
        f.write_str(&self.row("out of order", scores.out_of_order(), |_, score| score.out_of_order))?;
        let unheard = match self.sampled - self.sampled_heard.min(self.sampled) {
            0 => String::new(),
            unheard => format!("   {unheard} of them while the cable was pulled"),
        };
        write!(
            f,
            "\n\nWhat the instruments say they did, and what the subscriber heard of it:\n\
             \x20 wells sampled by the robot{:>6}{unheard}\n\
             \x20 sampling.completed        {:>6}\n\
             \x20 samples ejected           {:>6}   {} shots missed\n\
             \x20 ejection.ejected          {:>6}   {} ejection.failed\n\
             \x20 acquisitions written      {:>6}\n\
             \x20 acquisition.completed     {:>6}\n\
             \x20 readings of the XT        {:>6}\n\
             \x20 cultivation.measured      {:>6}",
            self.sampled,
            self.samplings,
            self.shots.ejected,
            self.shots.missed,
            self.ejections,
            self.missed,
            self.written,
            self.acquisitions,
            self.readings,
            self.measured
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::score::Counter;
    use super::*;

    #[test]
    fn the_account_shows_what_is_missing_and_for_which_device() {
        let mut counter = Counter::default();
        counter.count("biolector", "a", 1);
        counter.count("biolector", "b", 2);
        counter.count("robolector", "c", 1);
        let made = Made::from([("biolector".to_owned(), 2), ("robolector".to_owned(), 3)]);
        let account = Account {
            made,
            scores: counter.scores(),
            sampled: 6,
            sampled_heard: 4,
            samplings: 4,
            ..Account::default()
        };
        let told = account.to_string();
        assert!(!account.is_flawless() && account.agrees());
        assert!(
            told.contains(
                "\n  missing              2             0             0             2             0             0\n"
            ),
            "{told}"
        );
        assert!(told.contains("wells sampled by the robot     6   2 of them while the cable was pulled"), "{told}");
        assert!(!Account { samplings: 5, ..account.clone() }.agrees());
        let whole = Account { made: Made::from([("robolector".to_owned(), 1)]), ..account };
        assert!(whole.is_flawless());
    }
}
