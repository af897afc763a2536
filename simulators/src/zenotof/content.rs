//! What stands in the files: names, methods, log lines, scans.

use fastrand::Rng;
use instrument_proto::codec::wiff::write::{NewMethod, intensities};
use instrument_proto::codec::wiff::{Description, FileRecord, ModeKind, Provenance, Window};

use super::echo;
use super::settings::{FilePlan, SamplePlan, Settings};

/// The computer and the person at it.
const COMPUTER: &str = "ZENOTOF-PC";
const LOGIN: &str = "operator";
/// The program's version.
const VERSION: &str = "3.4.0";

pub(super) fn file_record(plan: &FilePlan) -> FileRecord {
    FileRecord {
        kind: "GUKGeneric".to_owned(),
        software: format!("SCIEX OS {VERSION}"),
        file_version: "File Version:  1.00".to_owned(),
        author: LOGIN.to_owned(),
        computer: COMPUTER.to_owned(),
        path: format!("D:\\SCIEX OS Data\\Simulated\\Data\\{}.wiff", plan.stem),
    }
}

pub(super) fn description(sample: &SamplePlan, file: &FilePlan, settings: &Settings) -> Description {
    Description {
        name: sample.name.clone(),
        id: if sample.shots.is_empty() { sample.id.clone() } else { sample.shots.join(", ") },
        comment: sample.comment.clone(),
        data_file: format!("{}.wiff", file.stem),
        method: settings.method.clone(),
        quantitation_method: String::new(),
        rack: sample.rack.clone(),
        plate: sample.plate.clone(),
        position: sample.position.clone(),
    }
}

pub(super) fn provenance(settings: &Settings) -> Provenance {
    let project = "D:\\SCIEX OS Data\\Simulated";
    Provenance {
        method_path: format!("{project}\\Acquisition Methods\\{}", settings.method),
        batch_path: format!("{project}\\Batch\\queue.batch"),
        user: format!("LAB\\{LOGIN}"),
        full_name: String::new(),
        operator: LOGIN.to_owned(),
        project: project.to_owned(),
        software: VERSION.to_owned(),
        computer: COMPUTER.to_owned(),
        set: "SET1".to_owned(),
    }
}

/// The first entries of a run log.
pub(super) fn introduction(settings: &Settings) -> [String; 2] {
    let device = "Mass Spectrometer: ZenoTOF 7600 System";
    [
        format!(
            "{device},Firmware Version: ZT-7.1.2,Component Id: ZenoTOF 7600 System,Manufacturer: AB Sciex \
             Instruments,Serial Number: {},Source Housing: OptiFlow",
            settings.serial
        ),
        format!("{device},Start of Run - Detailed Status,Vacuum Status:\t At Pressure,Backing Pump:\t Ok"),
    ]
}

/// Isolation windows as in a Zeno SWATH method: sixty over m/z 399.5 to 899.9, each overlapping the next by one.
fn windows() -> Vec<Window> {
    let width = (899.9 - 399.5) / 60.0;
    let lower = |index: u32| 399.5 + width * f64::from(index);
    (0..60).map(|index| Window { lower: lower(index), upper: lower(index) + width + 1.0 }).collect()
}

pub(super) fn method(settings: &Settings) -> NewMethod {
    NewMethod {
        kind: settings.mode,
        polarity: settings.polarity,
        windows: if matches!(settings.mode, ModeKind::Swath | ModeKind::ZtScan) { windows() } else { Vec::new() },
        ranges: transitions(settings) as u32,
    }
}

fn transitions(settings: &Settings) -> usize {
    if settings.mode == ModeKind::Srm { (settings.scan_bytes / 4).max(1) as usize } else { 1 }
}

/// The data of one scan, with its flag and its total ion current.
pub(super) fn scan(settings: &Settings, sample: &SamplePlan, seconds: f64, rng: &mut Rng) -> (Vec<u8>, u16, f64) {
    let strength = if sample.shots.is_empty() {
        // One chromatographic peak in the middle of the run.
        let away = (seconds / sample.seconds - 0.5) * 12.0;
        0.05 + (-away * away).exp()
    } else {
        echo::signal(sample.shots.len(), seconds)
    };
    if settings.mode == ModeKind::Srm {
        let values: Vec<f32> =
            (0..transitions(settings)).map(|_| (strength * 10_000.0 * (0.8 + 0.4 * rng.f64())) as f32).collect();
        let (bytes, tic) = intensities(&values);
        return (bytes, 0, tic);
    }
    // A packed spectrum that nobody unpacks: a head, then counts that are never zero.
    let length = (f64::from(settings.scan_bytes) * (0.75 + 0.5 * rng.f64())) as usize;
    let mut bytes = vec![0xff; length.max(8)];
    for byte in &mut bytes[8..] {
        *byte = rng.u8(1..);
    }
    (bytes, 1, strength * 1e6)
}
