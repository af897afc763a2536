//! What the instrument does, step by step.

use std::collections::{BTreeMap, VecDeque};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::settings::{Order, Settings, SettingsError, Shot, Tells};
use crate::zenotof::echo;

/// The smallest volume that can be ejected, nanolitres.
const DROPLET_NL: f64 = 2.5;

/// One thing that the instrument does.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Seconds since its start.
    pub at: f64,
    /// The same by the instrument's clock.
    pub time: Timestamp,
    /// What.
    pub what: What,
}

/// What it does.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// A run begins.
    RunStarted(RunStart),
    /// The fluid in a well is surveyed.
    Surveyed(Survey),
    /// A shot was due.
    Shot(Ejection),
    /// A run is over.
    RunEnded(RunEnd),
    /// The coupling fluid has this temperature, degrees Celsius.
    Temperature(f64),
}

/// The beginning of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunStart {
    /// Never used before.
    pub run_id: String,
    /// The method.
    pub method: String,
    /// The plate's barcode.
    pub barcode: String,
    /// 384 or 1536.
    pub wells: u32,
    /// How many shots are planned.
    pub planned: u32,
    /// Labels and sample ids, as the gateway tells them; `None` if it tells none.
    pub list: Option<Vec<(String, String)>>,
    /// Whether the list stands in the order of ejection.
    pub in_order: bool,
    /// Seconds from one shot to the next.
    pub interval_s: f64,
    /// Nanolitres of each sample's shot.
    pub nominal_nl: f64,
}

/// A survey of a well.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Survey {
    /// The run.
    pub run_id: String,
    /// The plate.
    pub barcode: String,
    /// The well.
    pub well: String,
    /// Microlitres; `None` in an empty well.
    pub volume_ul: Option<f64>,
    /// `ok`, `low-volume`, `empty`.
    pub status: &'static str,
}

/// What kind of shot it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Kind {
    /// A sample.
    Sample {
        /// The well.
        well: String,
        /// Which shot from this well, from 1.
        repeat: u32,
        /// May be empty.
        sample_id: String,
    },
    /// A marker.
    Marker {
        /// Its name.
        label: String,
    },
}

/// A shot that was due, and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ejection {
    /// The run.
    pub run_id: String,
    /// The plate.
    pub barcode: String,
    /// Its place among the run's shots, from 1.
    pub order: u32,
    /// A sample or a marker.
    #[serde(flatten)]
    pub kind: Kind,
    /// Nanolitres that were meant.
    pub nominal_nl: f64,
    /// Nanolitres that came; 0 if nothing did.
    pub actual_nl: f64,
    /// When it was due.
    pub expected: Timestamp,
    /// When it came, if it did.
    pub actual: Option<Timestamp>,
    /// `ok`, `low-volume`, `missed`, `empty`.
    pub status: &'static str,
}

/// The end of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunEnd {
    /// The run.
    pub run_id: String,
    /// `completed`, `aborted`.
    pub outcome: &'static str,
    /// Shots that were planned.
    pub planned: u32,
    /// Samples of which something came.
    pub ejected: u32,
    /// The others that were due.
    pub failed: u32,
    /// Markers that came.
    pub markers: u32,
    /// When it began.
    pub started: Timestamp,
}

/// What an Echo MS+ does over its runs.
#[derive(Debug)]
pub struct EchoRun {
    settings: Settings,
    random: fastrand::Rng,
    next_run: usize,
    at: f64,
    steps: VecDeque<Step>,
}

impl EchoRun {
    /// An instrument that is going to do this.
    ///
    /// # Errors
    /// [`SettingsError`] says what makes no sense.
    pub fn new(settings: Settings) -> Result<Self, SettingsError> {
        settings.check()?;
        let random = fastrand::Rng::with_seed(settings.seed);
        Ok(Self { settings, random, next_run: 0, at: 0.0, steps: VecDeque::new() })
    }

    fn push(&mut self, at: f64, what: What) {
        let time = self.time(at);
        self.steps.push_back(Step { at, time, what });
    }

    /// Microseconds are what such logs have.
    fn time(&self, at: f64) -> Timestamp {
        let micros = SignedDuration::from_micros((at * 1e6).round() as i64);
        self.settings.start.checked_add(micros).unwrap_or(Timestamp::MAX)
    }

    /// Plans all steps of the next run.
    fn plan(&mut self) {
        let Some(plate) = self.settings.runs.get(self.next_run).cloned() else { return };
        if self.next_run > 0 {
            self.at += self.settings.gap_s;
        }
        self.next_run += 1;
        let settings = self.settings.clone();
        let (begin, started) = (self.at, self.time(self.at));
        let run_id = format!("{}-{}", settings.serial_number, started.strftime("%Y%m%dT%H%M%S.%6fZ"));
        let labels: Vec<String> = plate.shots.iter().map(|shot| shot.label().to_owned()).collect();
        let order = match settings.order {
            Order::Serpentine => echo::serpentine(&labels),
            Order::RowWise => echo::row_wise(&labels),
        };
        let shots: Vec<Shot> = order.into_iter().filter_map(|index| plate.shots.get(index).cloned()).collect();
        let told = match settings.tells {
            Tells::Order => Some(&shots),
            Tells::List => Some(&plate.shots),
            Tells::Nothing => None,
        };
        let entry = |shot: &Shot| match shot {
            Shot::Sample { well, sample_id } => (well.clone(), sample_id.clone()),
            Shot::Marker(name) => (name.clone(), String::new()),
        };
        let planned = u32::try_from(shots.len()).unwrap_or(u32::MAX);
        let start = RunStart {
            run_id: run_id.clone(),
            method: settings.method.clone(),
            barcode: plate.barcode.clone(),
            wells: settings.wells,
            planned,
            list: told.map(|shots| shots.iter().map(entry).collect()),
            in_order: settings.tells == Tells::Order,
            interval_s: settings.interval_s,
            nominal_nl: settings.nominal_nl,
        };
        self.push(begin, What::RunStarted(start));
        let warmth = 22.0 + self.random.f64();
        self.push(begin, What::Temperature(warmth));
        let states = self.survey(&shots, &run_id, &plate.barcode);
        let aborts = settings.abort && self.next_run == settings.runs.len();
        let due = if aborts { shots.len() / 2 } else { shots.len() };
        let first = self.at + settings.lead_s;
        let mut end = RunEnd {
            run_id: run_id.clone(),
            outcome: if aborts { "aborted" } else { "completed" },
            planned,
            ejected: 0,
            failed: 0,
            markers: 0,
            started,
        };
        let mut repeats = BTreeMap::<String, u32>::new();
        for (index, shot) in shots.into_iter().take(due).enumerate() {
            let at = first + index as f64 * settings.interval_s;
            let mut ejection = self.shot(shot, &states, &mut repeats, at);
            (ejection.run_id, ejection.barcode) = (run_id.clone(), plate.barcode.clone());
            ejection.order = u32::try_from(index + 1).unwrap_or(u32::MAX);
            match (&ejection.kind, ejection.actual) {
                (Kind::Sample { .. }, Some(_)) => end.ejected += 1,
                (Kind::Sample { .. }, None) => end.failed += 1,
                (Kind::Marker { .. }, Some(_)) => end.markers += 1,
                (Kind::Marker { .. }, None) => {}
            }
            self.push(at, What::Shot(ejection));
            if index % 20 == 19 {
                let warmth = 22.0 + self.random.f64();
                self.push(at, What::Temperature(warmth));
            }
            self.at = at;
        }
        self.at += settings.interval_s;
        self.push(self.at, What::RunEnded(end));
    }

    /// Surveys each well once; what was found decides what comes of its shots.
    fn survey(&mut self, shots: &[Shot], run_id: &str, barcode: &str) -> BTreeMap<String, &'static str> {
        let full = if self.settings.wells == 1536 { (2.0, 5.0) } else { (20.0, 65.0) };
        let mut states = BTreeMap::new();
        for shot in shots {
            let Shot::Sample { well, .. } = shot else { continue };
            if states.contains_key(well) {
                continue;
            }
            let chance = self.random.f64();
            let level = self.random.f64();
            let (status, volume_ul) = if chance < self.settings.empty {
                ("empty", None)
            } else if chance < self.settings.empty + self.settings.low {
                ("low-volume", Some(full.0 * (0.4 + 0.5 * level)))
            } else {
                ("ok", Some(full.0 + (full.1 - full.0) * level))
            };
            states.insert(well.clone(), status);
            self.at += self.settings.survey_s;
            let survey = Survey {
                run_id: run_id.to_owned(),
                barcode: barcode.to_owned(),
                well: well.clone(),
                volume_ul: volume_ul.map(|volume: f64| (volume * 1000.0).round() / 1000.0),
                status,
            };
            self.push(self.at, What::Surveyed(survey));
        }
        states
    }

    fn shot(
        &mut self,
        shot: Shot,
        states: &BTreeMap<String, &'static str>,
        repeats: &mut BTreeMap<String, u32>,
        at: f64,
    ) -> Ejection {
        let late = (self.random.f64() - 0.5) * 0.04;
        let is_missed = self.random.f64() < self.settings.missed;
        let spread = 1.0 + (self.random.f64() - 0.5) * 0.06;
        let nominal_nl = self.settings.nominal_nl;
        let (kind, state) = match shot {
            Shot::Marker(label) => (Kind::Marker { label }, "ok"),
            Shot::Sample { well, sample_id } => {
                let repeat = repeats.entry(well.clone()).or_default();
                *repeat += 1;
                let state = states.get(&well).copied().unwrap_or("ok");
                (Kind::Sample { repeat: *repeat, well, sample_id }, state)
            }
        };
        let (status, actual_nl) = match state {
            "empty" => ("empty", 0.0),
            _ if is_missed => ("missed", 0.0),
            "low-volume" => ("low-volume", DROPLET_NL.min(nominal_nl)),
            _ => ("ok", (nominal_nl * spread * 1000.0).round() / 1000.0),
        };
        Ejection {
            run_id: String::new(),
            barcode: String::new(),
            order: 0,
            kind,
            nominal_nl,
            actual_nl,
            expected: self.time(at),
            actual: (actual_nl > 0.0).then(|| self.time((at + late).max(0.0))),
            status,
        }
    }
}

impl Iterator for EchoRun {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        if self.steps.is_empty() {
            self.plan();
        }
        self.steps.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shots(settings: Settings) -> Vec<Ejection> {
        let steps = EchoRun::new(settings).expect("settings");
        steps
            .filter_map(|step| match step.what {
                What::Shot(shot) => Some(shot),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn rows_are_ejected_there_and_back() {
        let settings = Settings { interval_s: 1.0, ..Settings::default() }.plates(1, 384, 48, 1, 0);
        let order = |settings: Settings| -> Vec<String> {
            let well = |shot: Ejection| match shot.kind {
                Kind::Sample { well, .. } => well,
                Kind::Marker { label } => label,
            };
            shots(settings).into_iter().map(well).collect()
        };
        let serpentine = order(settings.clone());
        assert_eq!((serpentine[23].as_str(), serpentine[24].as_str(), serpentine[47].as_str()), ("A24", "B24", "B1"));
        let rows = order(Settings { order: Order::RowWise, ..settings });
        assert_eq!((rows[24].as_str(), rows[47].as_str()), ("B1", "B24"));
    }

    #[test]
    fn a_run_counts_what_it_ejected() {
        let settings =
            Settings { missed: 0.1, low: 0.1, empty: 0.1, ..Settings::default() }.plates(2, 1536, 300, 2, 50);
        let (mut orders, mut came, mut ends) = (0, 0, 0);
        for step in EchoRun::new(settings).expect("settings") {
            match step.what {
                What::Shot(shot) => {
                    orders += 1;
                    assert_eq!(shot.order, orders);
                    assert_eq!(shot.actual.is_some(), shot.actual_nl > 0.0);
                    came += u32::from(shot.actual.is_some() && matches!(shot.kind, Kind::Sample { .. }));
                }
                What::RunEnded(end) => {
                    assert_eq!((end.planned, end.ejected, end.ejected + end.failed), (606, came, 600));
                    assert!(end.failed > 60);
                    (orders, came, ends) = (0, 0, ends + 1);
                }
                _ => {}
            }
        }
        assert_eq!(ends, 2);
    }

    #[test]
    fn the_same_seed_does_the_same() {
        let settings = Settings { missed: 0.2, ..Settings::default() };
        assert_eq!(shots(settings.clone()), shots(settings));
    }
}
