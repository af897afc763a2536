//! A reader of result files that shares nothing with the simulator: it splits lines and fields, and knows the columns by heart.

#![allow(dead_code)]

use std::collections::BTreeMap;

use instrumentd_simulators::biolector::{BiolectorRun, Change, Model, Quirk, Reading, Settings, Step};

/// Cycle, filter set and well as printed.
pub type Key = (u32, u32, String);

/// The files of a run as they stand at its end, and what was written into them.
pub struct Written {
    pub files: BTreeMap<String, Vec<u8>>,
    pub table: Vec<u8>,
    pub readings: Vec<Reading>,
    pub steps: Vec<Step>,
}

impl Written {
    /// The rows of the table, without line ends.
    pub fn rows(&self) -> Vec<Vec<u8>> {
        let strip = |row: &[u8]| row.strip_suffix(b"\r").unwrap_or(row).to_vec();
        self.table.split(|&byte| byte == b'\n').map(strip).collect()
    }

    /// The rows as text, whatever their bytes.
    pub fn text_rows(&self) -> Vec<String> {
        self.rows().iter().map(|row| String::from_utf8_lossy(row).into_owned()).collect()
    }
}

/// Settings with these quirks.
pub fn with(settings: Settings, quirks: &[Quirk]) -> Settings {
    Settings { quirks: quirks.iter().copied().collect(), ..settings }
}

/// A small run of a model.
pub fn small(model: Model) -> Settings {
    Settings { model, cycles: 3, filtersets: 4, cycle_seconds: 420, ..Settings::default() }
}

/// Writes a run into memory.
pub fn write(settings: Settings) -> Written {
    let run = BiolectorRun::new(settings).expect("the settings fit an instrument");
    let name = run.table_file();
    let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let (mut readings, mut steps) = (Vec::new(), Vec::new());
    for step in run {
        match &step.change {
            Change::Append { file, bytes } => files.entry(file.clone()).or_default().extend(bytes),
            Change::Replace { file, bytes } => drop(files.insert(file.clone(), bytes.clone())),
            Change::Overwrite { file, offset, bytes } => {
                let from = usize::try_from(*offset).expect("a small file");
                let place = files.get_mut(file).and_then(|file| file.get_mut(from..from + bytes.len()));
                place.expect("what is overwritten is there").copy_from_slice(bytes);
            }
        }
        readings.extend(step.readings.clone());
        steps.push(step);
    }
    Written { table: files[&name].clone(), files, readings, steps }
}

/// What the naive reader finds in a table: amplitudes by key, the first number where a key comes twice, `None` where the field is no number.
pub fn amplitudes(written: &Written, model: Model) -> BTreeMap<Key, Option<f64>> {
    let mut found = BTreeMap::new();
    let mut labels: BTreeMap<String, String> = BTreeMap::new();
    for row in written.text_rows() {
        if model == Model::Pro
            && let Some((number, label)) = row.trim().strip_prefix('[').and_then(|rest| rest.split_once("_well] "))
            && number.len() == 3
        {
            labels.insert(number.to_owned(), label.to_owned());
        }
        let fields: Vec<&str> = row.split(';').collect();
        let measured = match model {
            Model::Pro => fields[0] == "M" && (fields.len() >= 39 || fields.len() == 26),
            Model::Xt => fields[0] == "M" && fields.len() == 41,
            Model::One => fields[0].len() > 1 && fields[0].starts_with('C') && fields.len() == 16,
        };
        if !measured {
            continue;
        }
        let (cycle, well, set, amplitude) = match model {
            Model::Pro => (fields[1], labels.get(fields[2]).cloned(), fields[3], fields[5]),
            Model::Xt => (fields[1], Some(fields[2].to_owned()), fields[3], fields[5]),
            Model::One => (&fields[0][1..], Some(fields[1].to_owned()), fields[4], fields[6]),
        };
        let well = well.filter(|well| well.len() == 3 && well.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        let (Ok(cycle), Some(well), Ok(set)) = (cycle.parse(), well, set.parse()) else { continue };
        let number = amplitude.parse::<f64>().ok().filter(|number| number.is_finite() && *number > -9000.0);
        let first = found.entry((cycle, set, well)).or_insert(number);
        *first = first.or(number);
    }
    found
}

/// The readings that the simulator says it wrote, in the same form.
pub fn truth(written: &Written) -> BTreeMap<Key, Option<f64>> {
    written.readings.iter().map(|reading| (key(reading), reading.amplitude)).collect()
}

/// A reading's key.
pub fn key(reading: &Reading) -> Key {
    (reading.cycle, reading.filterset, reading.well.clone())
}
