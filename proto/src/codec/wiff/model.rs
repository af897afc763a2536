//! What a `.wiff` says, as far as it can be read.

use jiff::civil::DateTime;
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};

use super::reason::{Defect, Known, Torn, Unknown};

/// The generation of the container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Version {
    /// Sectors of 512 bytes, as in files of the Echo MS.
    V3,
    /// Sectors of 4096 bytes, as Analyst writes them.
    V4,
}

/// An opened container.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Container {
    /// Its generation.
    pub version: Version,
    /// Length that the file must at least have to hold every sector in use; larger than the file when that is cut off.
    pub needed: u64,
    /// When the root was last committed; `None` when the file does not say.
    pub committed: Option<Timestamp>,
    /// What is damaged or not yet written; at most [`Container::MAX_DEFECTS`].
    pub defects: Vec<Defect>,
}

impl Container {
    /// More defects than this are not listed.
    pub const MAX_DEFECTS: usize = 32;
}

/// What the reading cost, for budgets and tests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Spent {
    /// Bytes read from the file.
    pub bytes: u64,
    /// Calls that read from the file.
    pub reads: u64,
}

/// A `.wiff`, as far as it can be read.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Wiff {
    /// The file's length when it was read, in bytes.
    pub length: u64,
    /// The container, or why it cannot be opened; then nothing else is known.
    pub container: Result<Container, Torn>,
    /// Samples that the sample table declares.
    pub sample_count: Known<u16>,
    /// Samples in the order of their indices: those of the table and those that have a storage without standing in the table yet.
    pub samples: Vec<Sample>,
    /// Where the data are.
    pub layout: Known<Layout>,
    /// Who wrote the file.
    pub file_record: Known<FileRecord>,
    /// The wells that an Echo MS was told to eject from, in the order in which they were typed.
    pub shots: Known<ShotList>,
    /// What the reading cost.
    pub spent: Spent,
}

/// Where the data of the samples are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Layout {
    /// In the `.wiff.scan` beside the file.
    ScanFile,
    /// Inside the `.wiff`, in a stream `Scan` of each sample; there is no `.wiff.scan`.
    SingleFile,
}

/// Stream `FileRec_Str`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct FileRecord {
    /// `GUKGeneric`.
    pub kind: String,
    /// The program that made the file, with its version: `Analyst 1.7.1`. Some programs' names are cut off.
    pub software: String,
    /// `File Version:  1.00`.
    pub file_version: String,
    /// The user's login.
    pub author: String,
    /// The computer's name.
    pub computer: String,
    /// Where the file was first written.
    pub path: String,
}

/// One sample (injection) of the file; on an Echo MS one whole plate run.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Sample {
    /// Its number in the file, from 1.
    pub index: u16,
    /// Its entry in the sample table.
    pub table: Known<TableEntry>,
    /// When it was started.
    pub start: Known<Start>,
    /// When its storage was last stamped. The end of the run only in a file of one sample: later samples re-stamp earlier ones.
    pub stamped: Known<Timestamp>,
    /// Name, id, methods, place.
    pub description: Known<Description>,
    /// Injected volume in µl. An [`Unknown::NotStated`] where the file says that it does not apply (a negative figure).
    pub injection_volume_ul: Known<f32>,
    /// Paths, user, software.
    pub provenance: Known<Provenance>,
    /// The run log.
    pub log: Known<RunLog>,
    /// The mass spectrometer, from the run log.
    pub instrument: Known<Instrument>,
    /// The polarity, from the method.
    pub polarity: Known<Polarity>,
    /// What kind of acquisition, from the method.
    pub mode: Known<Mode>,
    /// What the index says of the data.
    pub scans: Known<IndexSummary>,
    /// Where the sample's block header stands in the `.wiff.scan`; [`Unknown::Missing`] in the single-file layout.
    pub block_at: Known<u64>,
    /// Length of the stream `Scan` in the single-file layout, in bytes; it is allocated in steps and may be longer than the data.
    pub scan_stream: Known<u64>,
    /// Bytes of that stream, for [`super::scan::judge_stream`].
    pub scan_blocks: Vec<super::scan::Seen>,
    /// The link to the `.wiff2`, in files of SCIEX OS.
    pub wiff2: Known<Wiff2Link>,
}

impl Sample {
    /// The duration as the log's end entry states it, counted from the start.
    ///
    /// # Errors
    /// [`Unknown::NotStated`] while the log has no end entry; the log's own reason where it cannot be read.
    pub fn duration(&self) -> Known<SignedDuration> {
        let log = self.log.as_ref().map_err(Clone::clone)?;
        let end = log.end.as_ref().ok_or_else(|| Unknown::NotStated("the run log has no end entry".to_owned()))?;
        Ok(SignedDuration::from_millis(i64::from(end.at_ms)))
    }

    /// Start plus duration.
    ///
    /// # Errors
    /// The reason of whichever of the two is not known.
    pub fn end(&self) -> Known<Timestamp> {
        let start = self.start.as_ref().map_err(Clone::clone)?.utc;
        start.checked_add(self.duration()?).map_err(|_| Unknown::NotStated("start plus duration is no time".to_owned()))
    }
}

/// A sample's entry in `SampleSubtree/SampleTable`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TableEntry {
    /// The start on the instrument's wall clock.
    pub local_start: DateTime,
    /// Where this sample's data are; `None` for a mark that is neither of the known two.
    pub layout: Option<Layout>,
    /// The comment.
    pub comment: String,
}

/// When a sample was started.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Start {
    /// In UTC: the creation time of the sample's storage, to the 100 ns of the container.
    pub utc: Timestamp,
    /// The wall clock's distance from UTC: sample table minus `utc`, to the nearest quarter of an hour.
    #[serde(with = "seconds")]
    pub offset: Known<Offset>,
}

/// Stream `SampleDABE/DATA`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Description {
    /// The sample's name.
    pub name: String,
    /// The sample's id; may be empty. On an Echo MS the shot list can stand here.
    pub id: String,
    /// The comment.
    pub comment: String,
    /// The data file, relative to the project's data folder, as Windows writes paths.
    pub data_file: String,
    /// The acquisition method: `.dam` (Analyst) or `.msm` (SCIEX OS).
    pub method: String,
    /// The quantitation method.
    pub quantitation_method: String,
    /// The rack's type.
    pub rack: String,
    /// The plate's type.
    pub plate: String,
    /// The position as the vendor writes it, "01" for instance.
    pub position: String,
}

/// Stream `SampleDABE/CFR_INFO`. Texts that the stream does not reach are empty.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Provenance {
    /// Path of the acquisition method.
    pub method_path: String,
    /// Path of the batch.
    pub batch_path: String,
    /// `DOMAIN\login`.
    pub user: String,
    /// The user's full name.
    pub full_name: String,
    /// The operator.
    pub operator: String,
    /// Path of the project.
    pub project: String,
    /// The software's version.
    pub software: String,
    /// The computer's name.
    pub computer: String,
    /// The set's name in the batch.
    pub set: String,
}

/// The run log of a sample.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RunLog {
    /// Entries that the log declares.
    pub declared: u32,
    /// Entries that were read.
    pub read: u32,
    /// The entry "End of Run"; it comes some seconds after the last scan.
    pub end: Option<LogEntry>,
    /// The entry "Aborting acquisition". An end entry follows it all the same.
    pub abort: Option<LogEntry>,
    /// The last entries, oldest first.
    pub last: Vec<LogEntry>,
    /// Why not all declared entries were read.
    pub cut: Option<Unknown>,
}

/// An entry of the run log.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct LogEntry {
    /// Its number, from 1.
    pub sequence: u32,
    /// Milliseconds since the sample was started.
    pub at_ms: u32,
    /// What it says, shortened to [`LogEntry::MAX_TEXT`] characters.
    pub text: String,
}

impl LogEntry {
    /// Longer texts are cut off here.
    pub const MAX_TEXT: usize = 512;
}

/// The mass spectrometer, as it introduces itself in the run log.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Instrument {
    /// The name in the vendor's spelling: `QTRAP 5500`, `ZenoTOF 7600 System`.
    pub name: Option<String>,
    /// [`Instrument::name`] without spaces and without the word "system", in capitals: `ZENOTOF7600`.
    pub model: Option<String>,
    /// The manufacturer's model number.
    pub model_number: Option<String>,
    /// The manufacturer.
    pub manufacturer: Option<String>,
    /// The serial number.
    pub serial: Option<String>,
    /// The firmware's version.
    pub firmware: Option<String>,
}

/// Which ions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Polarity {
    /// All experiments measure positive ions.
    Positive,
    /// All experiments measure negative ions.
    Negative,
    /// Experiments of one method differ.
    Switching,
}

/// What kind of acquisition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum ModeKind {
    /// Survey scans only.
    Ms1,
    /// Data-dependent (IDA).
    Dda,
    /// Data-independent in windows (SWATH).
    Swath,
    /// Data-independent with a scanning quadrupole (ZT Scan, Scanning SWATH).
    ZtScan,
    /// Product ions of chosen precursors at high resolution (MRM HR).
    Prm,
    /// Transitions on a triple quadrupole (MRM).
    Srm,
    /// The method is readable and is none of these.
    Unknown,
}

/// What kind of acquisition, and in whose words.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Mode {
    /// The kind.
    pub kind: ModeKind,
    /// What in the method says so, in the vendor's word: `SWATHMethod`, `IDA`, `scan type 4`.
    pub word: String,
    /// The isolation windows of a data-independent method, in its order; at most [`Mode::MAX_WINDOWS`].
    pub windows: Vec<Window>,
}

impl Mode {
    /// More windows than this are not listed.
    pub const MAX_WINDOWS: usize = 1024;
}

/// An isolation window in m/z.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Window {
    /// Its lower edge.
    pub lower: f64,
    /// Its upper edge.
    pub upper: f64,
}

/// A record of stream `Idx`: one scan.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct IndexRecord {
    /// Its number in the index, from 0.
    pub number: u64,
    /// Where the scan's data begin, in bytes from the sample's data start; turns over at 4 GiB.
    pub offset: u32,
    /// Length of the scan's data in bytes; 0 for the last record of some aborted runs.
    pub length: u32,
    /// Milliseconds since the sample was started.
    pub time_ms: f64,
    /// 0: transitions (MRM); 1: spectra; others are seen.
    pub flag: u16,
    /// Total ion current of the scan. With transitions it is the sum of their intensities.
    pub tic: f64,
}

/// What the index of a sample says.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct IndexSummary {
    /// Whole records.
    pub records: u64,
    /// Bytes behind the last whole record: something is being written, or the layout is another one.
    pub left_over: u8,
    /// The first record; `None` in an empty index.
    pub first: Option<IndexRecord>,
    /// The last record.
    pub last: Option<IndexRecord>,
    /// Where the last scan's data end, in bytes from the sample's data start; turns of the 32-bit offset are counted.
    pub data_length: u64,
    /// Records from all over the index, in its order, for looking into the data: first and last and some between.
    pub sampled: Vec<SampledRecord>,
}

impl IndexSummary {
    /// Seconds from the sample's start to its last scan.
    pub fn elapsed_s(&self) -> Option<f64> {
        self.last.map(|last| last.time_ms / 1000.0).filter(|seconds| seconds.is_finite() && *seconds >= 0.0)
    }
}

/// A record and where its data really are.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct SampledRecord {
    /// The record.
    pub record: IndexRecord,
    /// [`IndexRecord::offset`] with the turns of the 32-bit offset counted in.
    pub offset: u64,
}

/// The shot list of an Echo MS: stream `SampleSubtree/DabsInfo`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ShotList {
    /// The shots, in the order in which the user typed them. The order of ejection is not recorded.
    pub shots: Vec<Shot>,
    /// The list was longer than [`ShotList::MAX_SHOTS`].
    pub cut: bool,
}

impl ShotList {
    /// Two plates of 1536 wells, each well four times.
    pub const MAX_SHOTS: usize = 12_288;
}

/// One ejection that was planned.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Shot {
    /// As typed: `A01`, `B7 standard`, `Marker 1`.
    pub name: String,
    /// The well at its start: row letters and column, `AA3`; `None` for a marker.
    pub well: Option<String>,
    /// Whether it is a marker.
    pub marker: bool,
}

/// Stream `Wiff2SampleInfo` of a sample.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Wiff2Link {
    /// The sixteen bytes at its end, which are presumably the sample's key in the `.wiff2`; in lower-case hexadecimal digits.
    pub key: String,
}

/// An offset from UTC in seconds, for serialising.
mod seconds {
    use jiff::tz::Offset;
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    use super::Known;

    pub fn serialize<S: Serializer>(offset: &Known<Offset>, serializer: S) -> Result<S::Ok, S::Error> {
        offset.as_ref().map(|offset| offset.seconds()).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Known<Offset>, D::Error> {
        match Known::<i32>::deserialize(deserializer)? {
            Ok(seconds) => Offset::from_seconds(seconds).map(Ok).map_err(D::Error::custom),
            Err(unknown) => Ok(Err(unknown)),
        }
    }
}
