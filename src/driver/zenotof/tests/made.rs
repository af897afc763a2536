//! Sets as an instrument makes them, sample by sample.

use std::collections::BTreeMap;

use instrument_proto::codec::wiff::write::{NewMethod, NewSample, WiffWriter, block_header, file_header, intensities};
use instrument_proto::codec::wiff::{
    Description, FileRecord, IndexRecord, Layout, ModeKind, Polarity, Provenance, Version,
};
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};

use super::world::{File, Thing, World};
use crate::profile::zenotof::Member;

/// A set that is being measured.
pub struct Made {
    name: String,
    writer: WiffWriter,
    pub scan: Vec<u8>,
    start: Timestamp,
    sample: u16,
    data: u32,
    scans: u32,
    inode: u64,
    /// Further members.
    pub others: BTreeMap<Member, Vec<u8>>,
}

fn record() -> FileRecord {
    FileRecord {
        kind: "GUKGeneric".to_owned(),
        software: "SCIEX OS 3.4".to_owned(),
        file_version: "File Version:  1.00".to_owned(),
        author: "op".to_owned(),
        computer: "PC-1".to_owned(),
        path: "D:\\Data".to_owned(),
    }
}

impl Made {
    /// An empty file of the name, whose first sample will begin so many seconds after noon.
    pub fn new(name: &str, seconds: i64) -> Self {
        let noon: Timestamp = "2026-08-01T12:00:00.1234567Z".parse().expect("a time");
        let start = noon + SignedDuration::from_secs(seconds);
        let writer = WiffWriter::new(Version::V4, Layout::ScanFile, &record(), start).expect("a container");
        Self {
            name: name.to_owned(),
            writer,
            scan: file_header().to_vec(),
            start,
            sample: 0,
            data: 0,
            scans: 0,
            inode: u64::try_from(seconds).expect("after noon") * 10 + 100,
            others: BTreeMap::new(),
        }
    }

    /// Begins the next sample, a minute after the one before.
    pub fn begin(&mut self, sample_id: &str) -> &mut Self {
        let text = |text: &str| text.to_owned();
        let number = self.sample + 1;
        self.sample = self
            .writer
            .begin_sample(&NewSample {
                description: Description {
                    name: format!("sample {number}"),
                    id: sample_id.to_owned(),
                    comment: String::new(),
                    data_file: format!("{}.wiff", self.name),
                    method: text("SWATH.msm"),
                    quantitation_method: String::new(),
                    rack: text("rack"),
                    plate: text("plate"),
                    position: format!("{number:02}"),
                },
                injection_volume_ul: 5.0,
                provenance: Provenance {
                    method_path: String::new(),
                    batch_path: text("today.dab"),
                    user: String::new(),
                    full_name: String::new(),
                    operator: String::new(),
                    project: String::new(),
                    software: String::new(),
                    computer: String::new(),
                    set: String::new(),
                },
                start: self.start + SignedDuration::from_secs(76 * i64::from(self.sample)),
                offset: Offset::UTC,
                method: NewMethod { kind: ModeKind::Srm, polarity: Polarity::Positive, windows: Vec::new(), ranges: 3 },
                block_at: u32::try_from(self.scan.len()).expect("short"),
                wiff2_key: None,
            })
            .expect("a sample");
        (self.data, self.scans) = (0, 0);
        self.scan.extend(block_header(self.sample, 0));
        self
    }

    /// Measures so many scans, 300 ms each.
    pub fn measure(&mut self, scans: u32) -> &mut Self {
        for _ in 0..scans {
            let (bytes, tic) = intensities(&[1.0, 2.0 + self.scans as f32, 3.0]);
            let record = IndexRecord {
                number: u64::from(self.scans),
                offset: self.data,
                length: u32::try_from(bytes.len()).expect("short"),
                time_ms: f64::from(self.scans) * 300.0,
                flag: 0,
                tic,
            };
            self.writer.add_scans(self.sample, &[record]).expect("a record");
            self.data += record.length;
            self.scans += 1;
            self.scan.extend(bytes);
        }
        self
    }

    /// Ends the sample by an entry in its log.
    pub fn end(&mut self) -> &mut Self {
        self.writer
            .add_log(self.sample, self.scans * 300, "Mass Spectrometer: End of Run - Detailed Status")
            .expect("an entry");
        self
    }

    /// Aborts the sample; an end entry follows.
    pub fn abort(&mut self) -> &mut Self {
        self.writer.add_log(self.sample, self.scans * 300, "Aborting acquisition.").expect("an entry");
        self.end()
    }

    /// A whole sample.
    pub fn sample(&mut self) -> &mut Self {
        self.begin("id").measure(20).end()
    }

    /// Its files as they are now, under this path without suffix.
    pub fn files(&self, path: &str, modified: i64) -> BTreeMap<Member, File> {
        let file = |bytes: Vec<u8>, suffix: &str, inode| File {
            path: format!("{path}{suffix}"),
            bytes,
            hollow: false,
            modified,
            inode: self.inode + inode,
        };
        let mut files = BTreeMap::from([
            (Member::Wiff, file(self.writer.bytes(), ".wiff", 0)),
            (Member::Scan, file(self.scan.clone(), ".wiff.scan", 1)),
        ]);
        let others = self.others.iter();
        files.extend(others.map(|(kind, bytes)| (*kind, file(bytes.clone(), kind.suffix(), 2 + *kind as u64))));
        files
    }

    /// Shows it in the world as it is now.
    pub fn show(&self, world: &mut World) {
        let modified = world.tick();
        let name = format!("data/{}", self.name);
        world.sets.insert(name.as_str().into(), Thing::Files(self.files(&self.name, modified)));
        world.show(&name);
    }
}
