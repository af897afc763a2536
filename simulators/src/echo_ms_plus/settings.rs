//! What is to be ejected, and how.

use jiff::Timestamp;

/// In which order the shots of a plate are ejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Odd rows from left to right, even rows back.
    Serpentine,
    /// All rows from left to right.
    RowWise,
}

/// What the gateway knows of the shots before they are ejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tells {
    /// The list in the order of ejection.
    Order,
    /// The list as it was typed.
    List,
    /// Nothing.
    Nothing,
}

/// A shot as it was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shot {
    /// A sample.
    Sample {
        /// `A1`, `AA3`.
        well: String,
        /// May be empty.
        sample_id: String,
    },
    /// A marker, with its name.
    Marker(String),
}

impl Shot {
    /// A sample without an id.
    pub fn well(well: impl Into<String>) -> Self {
        Self::Sample { well: well.into(), sample_id: String::new() }
    }

    /// As it stands in a shot list.
    pub fn label(&self) -> &str {
        match self {
            Self::Sample { well, .. } => well,
            Self::Marker(name) => name,
        }
    }
}

/// One run over one plate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlateRun {
    /// The plate's barcode; may be empty.
    pub barcode: String,
    /// As typed.
    pub shots: Vec<Shot>,
}

/// Everything about a simulated Echo MS+.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The seed of everything random.
    pub seed: u64,
    /// When it begins, by the instrument's clock.
    pub start: Timestamp,
    /// The instrument's serial number.
    pub serial_number: String,
    /// 384 or 1536.
    pub wells: u32,
    /// The runs, one after the other.
    pub runs: Vec<PlateRun>,
    /// The method.
    pub method: String,
    /// In which order shots are ejected.
    pub order: Order,
    /// What the gateway tells beforehand.
    pub tells: Tells,
    /// Seconds from one shot to the next.
    pub interval_s: f64,
    /// Seconds of survey for each well.
    pub survey_s: f64,
    /// Seconds from the survey to the first shot.
    pub lead_s: f64,
    /// Seconds between two runs.
    pub gap_s: f64,
    /// What each sample's shot is to have.
    pub nominal_nl: f64,
    /// The share of shots that nothing comes of.
    pub missed: f64,
    /// The share of wells that hold too little.
    pub low: f64,
    /// The share of wells that hold nothing.
    pub empty: f64,
    /// Whether the last run is aborted in its middle.
    pub abort: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 1,
            start: Timestamp::UNIX_EPOCH,
            serial_number: "EMS-0001".to_owned(),
            wells: 384,
            runs: vec![PlateRun { barcode: "SIM00001".to_owned(), shots: typed(384, 384, 1, 0) }],
            method: "acoustic ejection, positive".to_owned(),
            order: Order::Serpentine,
            tells: Tells::Order,
            interval_s: 3.0,
            survey_s: 0.05,
            lead_s: 16.0,
            gap_s: 60.0,
            nominal_nl: 10.0,
            missed: 0.0,
            low: 0.0,
            empty: 0.0,
            abort: false,
        }
    }
}

/// Settings that make no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// A plate that there is none of.
    #[error("a plate has 384 or 1536 wells, not {0}")]
    Plate(u32),
    /// A well that the plate does not have.
    #[error("run {run} names the well '{well}', which a plate of {wells} wells does not have")]
    Well {
        /// The run, from 1.
        run: usize,
        /// What was typed.
        well: String,
        /// The plate.
        wells: u32,
    },
    /// A number out of range.
    #[error("{name} is {value}, and must be {wanted}")]
    Number {
        /// What.
        name: &'static str,
        /// As text.
        value: String,
        /// What it may be.
        wanted: &'static str,
    },
}

/// The names of a plate's wells, row by row: `A1` to `P24`, or to `AF48`.
pub fn plate_wells(wells: u32) -> Vec<String> {
    let columns = if wells == 1536 { 48 } else { 24 };
    let row = |index: u32| {
        let letter = |index: u32| char::from(b'A' + u8::try_from(index % 26).unwrap_or(0));
        match index.checked_sub(26) {
            None => letter(index).to_string(),
            Some(rest) => format!("A{}", letter(rest)),
        }
    };
    (0..wells).map(|index| format!("{}{}", row(index / columns), index % columns + 1)).collect()
}

/// So many wells of a plate, each `repeats` times, with a marker at the beginning and before every `markers`-th well; 0 is none.
pub(super) fn typed(wells: u32, count: usize, repeats: u32, markers: usize) -> Vec<Shot> {
    let mut shots = Vec::new();
    for (index, well) in plate_wells(wells).into_iter().take(count).enumerate() {
        if markers > 0 && index.is_multiple_of(markers) {
            shots.push(Shot::Marker(format!("Marker {}", index / markers + 1)));
        }
        for _ in 0..repeats {
            let sample_id = format!("S-{:04}", index + 1);
            shots.push(Shot::Sample { well: well.clone(), sample_id });
        }
    }
    shots
}

impl Settings {
    /// So many runs over plates of `wells` wells, of which the first `count` are ejected.
    #[must_use]
    pub fn plates(self, runs: u32, wells: u32, count: usize, repeats: u32, markers: usize) -> Self {
        let run = |number: u32| {
            let barcode = format!("SIM{number:05}");
            PlateRun { barcode, shots: typed(wells, count, repeats, markers) }
        };
        Self { wells, runs: (1..=runs).map(run).collect(), ..self }
    }

    /// Refuses what makes no sense.
    pub(super) fn check(&self) -> Result<(), SettingsError> {
        if self.wells != 384 && self.wells != 1536 {
            return Err(SettingsError::Plate(self.wells));
        }
        let there: std::collections::BTreeSet<String> = plate_wells(self.wells).into_iter().collect();
        for (number, run) in (1..).zip(&self.runs) {
            for shot in &run.shots {
                if let Shot::Sample { well, .. } = shot
                    && !there.contains(well)
                {
                    return Err(SettingsError::Well { run: number, well: well.clone(), wells: self.wells });
                }
            }
        }
        let number = |name, value: f64, wanted, is_right: bool| match is_right {
            true => Ok(()),
            false => Err(SettingsError::Number { name, value: value.to_string(), wanted }),
        };
        for (name, share) in [("missed", self.missed), ("low", self.low), ("empty", self.empty)] {
            number(name, share, "from 0 to 1", (0.0..=1.0).contains(&share))?;
        }
        let times =
            [("interval", self.interval_s), ("survey", self.survey_s), ("lead", self.lead_s), ("gap", self.gap_s)];
        for (name, seconds) in times {
            number(name, seconds, "from 0 to 86400 seconds", (0.0..=86_400.0).contains(&seconds))?;
        }
        number(
            "volume",
            self.nominal_nl,
            "above 0 and up to 1000 nL",
            self.nominal_nl > 0.0 && self.nominal_nl <= 1000.0,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plates_have_the_wells_that_they_have() {
        let small = plate_wells(384);
        assert_eq!((small[0].as_str(), small[23].as_str(), small[383].as_str()), ("A1", "A24", "P24"));
        let large = plate_wells(1536);
        assert_eq!((large.len(), large[25 * 48].as_str(), large[1535].as_str()), (1536, "Z1", "AF48"));
        assert_eq!(large[26 * 48], "AA1");
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let run = PlateRun { barcode: String::new(), shots: vec![Shot::well("Q1")] };
        let error = Settings { runs: vec![run], ..Settings::default() }.check().expect_err("no such well");
        assert_eq!(error.to_string(), "run 1 names the well 'Q1', which a plate of 384 wells does not have");
        assert!(Settings { missed: 1.5, ..Settings::default() }.check().is_err());
    }
}
