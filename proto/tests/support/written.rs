//! File sets that the writer here makes.

use instrument_proto::codec::wiff::write::{NewMethod, NewSample, WiffWriter, block_header, file_header, intensities};
use instrument_proto::codec::wiff::{
    Description, FileRecord, IndexRecord, Layout, ModeKind, Polarity, Provenance, Version, Window,
};
use jiff::Timestamp;
use jiff::tz::Offset;

pub fn record() -> FileRecord {
    FileRecord {
        kind: "GUKGeneric".to_owned(),
        software: "SCIEX OS 3.4.0".to_owned(),
        file_version: "File Version:  1.00".to_owned(),
        author: "operator".to_owned(),
        computer: "ZENO-PC".to_owned(),
        path: "D:\\SCIEX OS Data\\P\\Data\\run 1.wiff".to_owned(),
    }
}

pub fn start() -> Timestamp {
    "2026-03-02T08:00:00.25Z".parse().expect("a time")
}

pub fn sample(number: u32, kind: ModeKind, polarity: Polarity, block_at: u32) -> NewSample {
    let windows = (0..20).map(|index| f64::from(index) * 25.0 + 399.5);
    let windows = windows.map(|lower| Window { lower, upper: lower + 26.0 }).collect();
    NewSample {
        description: Description {
            name: format!("Probe {number} µ"),
            id: format!("S-{number}"),
            comment: if number.is_multiple_of(2) { "second".to_owned() } else { String::new() },
            data_file: "run 1.wiff".to_owned(),
            method: "Method.msm".to_owned(),
            quantitation_method: String::new(),
            rack: "Rack".to_owned(),
            plate: "Plate 96".to_owned(),
            position: format!("{number}"),
        },
        injection_volume_ul: 2.5,
        provenance: Provenance {
            method_path: "D:\\Methods\\Method.msm".to_owned(),
            batch_path: "D:\\Batch\\b.batch".to_owned(),
            user: "LAB\\operator".to_owned(),
            full_name: String::new(),
            operator: "operator".to_owned(),
            project: "P".to_owned(),
            software: "3.4.0".to_owned(),
            computer: "ZENO-PC".to_owned(),
            set: "SET1".to_owned(),
        },
        start: start() + jiff::SignedDuration::from_secs(i64::from(number) * 76),
        offset: Offset::from_seconds(5 * 3600 + 45 * 60).expect("Kathmandu"),
        method: NewMethod { kind, polarity, windows, ranges: 3 },
        block_at,
        wiff2_key: Some([number as u8; 16]),
    }
}

/// A file of `samples` samples with `scans` scans each, and its `.wiff.scan`.
pub fn set(version: Version, samples: u32, scans: u32) -> (Vec<u8>, Vec<u8>) {
    let mut scan = Vec::new();
    let moments = growing(version, samples, scans, u32::MAX, &mut scan);
    (moments.into_iter().last().expect("its end"), scan)
}

/// The same `.wiff` as it stood after every so many scans and at the end of each sample.
pub fn growing(version: Version, samples: u32, scans: u32, every: u32, data: &mut Vec<u8>) -> Vec<Vec<u8>> {
    let mut moments = Vec::new();
    let mut writer = WiffWriter::new(version, Layout::ScanFile, &record(), start()).expect("in memory");
    *data = file_header().to_vec();
    for number in 1..=samples {
        let sample = sample(number, ModeKind::Srm, Polarity::Positive, data.len() as u32);
        let index = writer.begin_sample(&sample).expect("in memory");
        data.extend(block_header(index, 0));
        let from = data.len();
        for scan in 0..scans {
            let (bytes, tic) = intensities(&[scan as f32 + 1.0, 2.0, number as f32]);
            let record = IndexRecord {
                number: u64::from(scan),
                offset: (data.len() - from) as u32,
                length: bytes.len() as u32,
                time_ms: f64::from(scan) * 100.0,
                flag: 0,
                tic,
            };
            data.extend(bytes);
            writer.add_scans(index, &[record]).expect("in memory");
            if scan % every == every - 1 {
                moments.push(writer.bytes());
            }
        }
        let text = "Mass Spectrometer: ZenoTOF 7600 System,Firmware Version: 1.0,Component Id: ZenoTOF 7600 System,Serial \
                    Number: FB1";
        writer.add_log(index, 0, text).expect("in memory");
        writer
            .add_log(index, 63_000, "Mass Spectrometer: ZenoTOF 7600 System,End of Run - Detailed Status")
            .expect("in memory");
        writer.stamp(index, sample.start + jiff::SignedDuration::from_secs(64)).expect("in memory");
        if every < u32::MAX {
            moments.push(writer.bytes());
        }
    }
    moments.push(writer.bytes());
    moments
}
