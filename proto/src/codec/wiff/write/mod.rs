//! Writes file sets as the instrument's software does; the simulator's side of this codec.
//!
//! The container is a real one, of either version, and grows in place. What nobody has decoded is left out or zero, so that a file from
//! here is shorter than a real one of the same acquisition.

mod buffer;
mod streams;

use std::io::{self, Seek, SeekFrom, Write};
use std::time::SystemTime;

use jiff::Timestamp;
use jiff::tz::Offset;

use self::buffer::Buffer;
use super::table::{FILE_RECORD, INDEX_TABLE, SAMPLE_TABLE};
use super::{Description, FileRecord, IndexRecord, Layout, ModeKind, Polarity, Provenance, Version, Window};

pub use streams::{block_header, file_header, intensities};

/// A sample that begins.
#[derive(Debug, Clone, PartialEq)]
pub struct NewSample {
    /// Name, id, methods, place.
    pub description: Description,
    /// Injected volume in µl; -1 where none applies.
    pub injection_volume_ul: f32,
    /// Paths, user, software.
    pub provenance: Provenance,
    /// When it begins, in UTC.
    pub start: Timestamp,
    /// The wall clock's distance from UTC.
    pub offset: Offset,
    /// What is acquired.
    pub method: NewMethod,
    /// Where the sample's block header stands in the `.wiff.scan`.
    pub block_at: u32,
    /// The key in the `.wiff2`, where there is one.
    pub wiff2_key: Option<[u8; 16]>,
}

/// What is acquired.
#[derive(Debug, Clone, PartialEq)]
pub struct NewMethod {
    /// The kind.
    pub kind: ModeKind,
    /// Positive or negative; a method that switches has one experiment of each.
    pub polarity: Polarity,
    /// Isolation windows, for a data-independent method.
    pub windows: Vec<Window>,
    /// Transitions or mass ranges of each experiment.
    pub ranges: u32,
}

/// A `.wiff` that is being written, in memory.
pub struct WiffWriter {
    file: cfb::CompoundFile<Buffer>,
    buffer: Buffer,
    layout: Layout,
    /// Start and table entry of each sample.
    samples: Vec<Written>,
}

struct Written {
    start: Timestamp,
    local_start: u32,
    comment: String,
    block_at: u32,
    log_entries: u32,
}

impl WiffWriter {
    /// Begins a file: the container with its streams and no sample.
    ///
    /// # Errors
    /// None that a writer in memory can meet; the container's library names them.
    pub fn new(version: Version, layout: Layout, record: &FileRecord, at: Timestamp) -> io::Result<WiffWriter> {
        let buffer = Buffer::default();
        let version = match version {
            Version::V3 => cfb::Version::V3,
            Version::V4 => cfb::Version::V4,
        };
        let file = cfb::CompoundFile::create_with_version(version, buffer.clone())?;
        let mut writer = WiffWriter { file, buffer, layout, samples: Vec::new() };
        for storage in ["/SampleSubtree", "/MethodSubtree", "/CFR"] {
            writer.storage(storage, at)?;
        }
        writer.put(FILE_RECORD, &streams::file_record(record))?;
        writer.put("/CFR/CFRFileHeader", &streams::checksum_header())?;
        writer.put_tables()?;
        writer.commit(at)?;
        Ok(writer)
    }

    /// The file as it stands.
    pub fn bytes(&self) -> Vec<u8> {
        self.buffer.copy()
    }

    /// What was written since the last call: pages with their places in the file, in their order. Whoever applies all of them to what
    /// stood there before has the file; whoever applies some has it torn.
    pub fn changes(&mut self) -> Vec<(u64, Vec<u8>)> {
        self.buffer.changes()
    }

    /// Begins the next sample and returns its index, from 1.
    ///
    /// # Errors
    /// As [`WiffWriter::new`].
    pub fn begin_sample(&mut self, sample: &NewSample) -> io::Result<u16> {
        let index = self.samples.len() as u16 + 1;
        let (storage, at) = (sample_storage(index), sample.start);
        for folder in ["", "/SampleDABE", "/Devices"] {
            self.storage(&format!("{storage}{folder}"), at)?;
        }
        let data = streams::description(&sample.description, sample.injection_volume_ul);
        self.put(&format!("{storage}/SampleDABE/DATA"), &data)?;
        self.put(&format!("{storage}/SampleDABE/CFR_INFO"), &streams::provenance(&sample.provenance))?;
        self.put(&format!("{storage}/Idx"), &streams::preamble(4))?;
        self.put(&format!("{storage}/Log"), &streams::log_head(0))?;
        if self.layout == Layout::SingleFile {
            self.put(&format!("{storage}/Scan"), &streams::preamble(4))?;
        }
        if let Some(key) = sample.wiff2_key {
            self.put(&format!("{storage}/Wiff2SampleInfo"), &[streams::preamble(1), key.to_vec()].concat())?;
        }
        self.method(index, sample)?;
        self.put("/SampleSubtree/DabsInfo", &streams::dabs_info(&sample.description))?;
        // Seconds of the wall clock since 1970.
        let local_start = at.as_second() + i64::from(sample.offset.seconds());
        self.samples.push(Written {
            start: at,
            local_start: u32::try_from(local_start).unwrap_or(0),
            comment: sample.description.comment.clone(),
            block_at: sample.block_at,
            log_entries: 0,
        });
        self.put_tables()?;
        // Some writes stamp the storages above them with the present time.
        self.stamp(index, at)?;
        Ok(index)
    }

    /// Adds records to a sample's index.
    ///
    /// # Errors
    /// As [`WiffWriter::new`].
    pub fn add_scans(&mut self, sample: u16, records: &[IndexRecord]) -> io::Result<()> {
        let bytes: Vec<u8> = records.iter().flat_map(streams::index_record).collect();
        self.append(&format!("{}/Idx", sample_storage(sample)), &bytes)
    }

    /// Adds data to a sample's stream `Scan`, in the single-file layout.
    ///
    /// # Errors
    /// As [`WiffWriter::new`].
    pub fn add_data(&mut self, sample: u16, data: &[u8]) -> io::Result<()> {
        self.append(&format!("{}/Scan", sample_storage(sample)), data)
    }

    /// Adds an entry to a sample's run log.
    ///
    /// # Errors
    /// As [`WiffWriter::new`].
    pub fn add_log(&mut self, sample: u16, at_ms: u32, text: &str) -> io::Result<()> {
        let Some(written) = self.samples.get_mut(usize::from(sample).wrapping_sub(1)) else {
            return Err(io::Error::new(io::ErrorKind::NotFound, format!("there is no sample {sample}")));
        };
        written.log_entries += 1;
        let entries = written.log_entries;
        let path = format!("{}/Log", sample_storage(sample));
        self.append(&path, &streams::log_entry(entries, at_ms, text))?;
        let mut stream = self.file.open_stream(&path)?;
        stream.seek(SeekFrom::Start(0x24))?;
        stream.write_all(&entries.to_le_bytes())?;
        stream.flush()
    }

    /// Stamps a sample's storage, and in a file of several samples those before it, with the time at which the file is closed.
    ///
    /// # Errors
    /// As [`WiffWriter::new`].
    pub fn stamp(&mut self, sample: u16, at: Timestamp) -> io::Result<()> {
        for index in 1..=sample {
            let Some(start) = self.samples.get(usize::from(index) - 1).map(|written| written.start) else { break };
            self.times(&sample_storage(index), start, at)?;
        }
        self.commit(at)
    }

    /// Stamps the file's root: a commit.
    ///
    /// # Errors
    /// As [`WiffWriter::new`].
    pub fn commit(&mut self, at: Timestamp) -> io::Result<()> {
        self.file.set_modified_time("/", SystemTime::from(at))?;
        self.file.flush()
    }

    fn method(&mut self, index: u16, sample: &NewSample) -> io::Result<()> {
        let (method, at) = (&sample.method, sample.start);
        let storage = format!("/MethodSubtree/Method{index}");
        let device = format!("{storage}/DeviceMethod0");
        let period = format!("{device}/Period0");
        for path in [&storage, &device, &period] {
            self.storage(path, at)?;
        }
        self.put(&format!("{storage}/AcqMethodFileInfoStm"), &streams::method_info(&sample.provenance.method_path))?;
        if sample.wiff2_key.is_some() {
            let name = streams::texts(&streams::preamble(1), &[&sample.description.method]);
            self.put(&format!("{storage}/Wiff2MethodInfo"), &name)?;
        }
        for (number, (scan_type, negative)) in streams::experiments(method).into_iter().enumerate() {
            let experiment = format!("{period}/Experiment{number}");
            self.storage(&experiment, at)?;
            let header = streams::experiment_header(scan_type, negative, method.ranges);
            self.put(&format!("{experiment}/ExperimentHeader"), &header)?;
        }
        match method.kind {
            ModeKind::Swath | ModeKind::ZtScan => {
                self.put(&format!("{device}/SWATHMethod"), &streams::windows(&method.windows))
            }
            ModeKind::Dda => {
                self.storage(&format!("{device}/IDA"), at)?;
                self.put(&format!("{device}/IDA/IDA"), &streams::preamble(4))
            }
            _ => Ok(()),
        }
    }

    fn put_tables(&mut self) -> io::Result<()> {
        let scan_file = self.layout == Layout::ScanFile;
        let entries = self.samples.iter().map(|sample| (sample.local_start, sample.comment.as_str()));
        let table = streams::sample_table(entries, scan_file);
        self.put(SAMPLE_TABLE, &table)?;
        if scan_file {
            let places = streams::index_table(self.samples.iter().map(|sample| sample.block_at));
            self.put(INDEX_TABLE, &places)?;
        }
        Ok(())
    }

    fn storage(&mut self, path: &str, at: Timestamp) -> io::Result<()> {
        self.file.create_storage(path)?;
        self.times(path, at, at)
    }

    fn times(&mut self, path: &str, created: Timestamp, modified: Timestamp) -> io::Result<()> {
        self.file.set_created_time(path, SystemTime::from(created))?;
        self.file.set_modified_time(path, SystemTime::from(modified))
    }

    /// Writes a whole stream; what it held before is gone.
    fn put(&mut self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let mut stream =
            if self.file.exists(path) { self.file.open_stream(path)? } else { self.file.create_stream(path)? };
        stream.set_len(bytes.len() as u64)?;
        stream.seek(SeekFrom::Start(0))?;
        stream.write_all(bytes)?;
        stream.flush()
    }

    fn append(&mut self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let mut stream = self.file.open_stream(path)?;
        stream.seek(SeekFrom::End(0))?;
        stream.write_all(bytes)?;
        stream.flush()
    }
}

fn sample_storage(index: u16) -> String {
    format!("/SampleSubtree/Sample{index}")
}
