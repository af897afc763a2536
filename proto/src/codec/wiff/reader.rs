//! Puts together what the streams of a `.wiff` say.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Seek};

use jiff::SignedDuration;
use jiff::tz::Offset;

use super::container::{Streams, open};
use super::fields::utf16;
use super::limits::Limits;
use super::model::{Layout, Sample, ShotList, Spent, Start, TableEntry, Wiff};
use super::reason::{Known, Unknown};
use super::table::{FILE_RECORD, INDEX_TABLE, SAMPLE_TABLE, SampleTable};
use super::{describe, index, log, method, scan, shots, table};

const SAMPLES: &str = "/SampleSubtree";
const SHOTS: &str = "/SampleSubtree/DabsInfo";

/// Reads the metadata of a `.wiff`. Never fails: what cannot be read says why.
///
/// Only what is needed is read: the container's tables, some small streams, and single records of each index. A file that is being
/// written can be read at any moment; whoever wants a consistent picture asks for size and modification time before and after.
pub fn read<R: Read + Seek>(file: R, limits: &Limits) -> Wiff {
    let opened = open(file, limits);
    let mut wiff = match opened.streams {
        Ok((mut streams, container)) => {
            let mut wiff = contents(&mut streams, limits);
            wiff.container = Ok(container);
            wiff
        }
        Err(torn) => {
            let unknown = Unknown::Container(torn.clone());
            Wiff {
                length: 0,
                container: Err(torn),
                sample_count: Err(unknown.clone()),
                samples: Vec::new(),
                layout: Err(unknown.clone()),
                file_record: Err(unknown.clone()),
                shots: Err(unknown),
                spent: Spent::default(),
            }
        }
    };
    (wiff.length, wiff.spent) = (opened.length, opened.spent.get());
    wiff
}

/// What the tables say that concern all samples.
struct Overview {
    table: SampleTable,
    /// Places in the `.wiff.scan`, or why there are none.
    places: Known<BTreeMap<u16, u64>>,
}

fn contents<R: Read + Seek>(streams: &mut Streams<R>, limits: &Limits) -> Wiff {
    let table = match streams.all(SAMPLE_TABLE) {
        Ok(bytes) => table::sample_table(&bytes, limits.samples),
        Err(why) => SampleTable { count: Err(why.clone()), entries: BTreeMap::new(), cut: Some(why) },
    };
    let places = streams.all(INDEX_TABLE).map(|bytes| table::index_table(&bytes));
    let file_record = streams.all(FILE_RECORD).and_then(|bytes| table::file_record(&bytes));
    let shots = streams.all(SHOTS).and_then(|bytes| shot_list(&bytes));
    let overview = Overview { table, places };

    let stored = streams.children(SAMPLES).into_iter().filter(|(_, is_storage)| *is_storage);
    let stored = stored.filter_map(|(name, _)| name.strip_prefix("Sample")?.parse::<u16>().ok());
    let indices: BTreeSet<u16> =
        stored.chain(overview.table.entries.keys().copied()).filter(|index| *index > 0).collect();
    let samples: Vec<Sample> = indices
        .into_iter()
        .take(limits.samples)
        .map(|index| sample(streams, index, &overview, limits.sampled_records))
        .collect();
    let layout = layout(&overview, &samples);
    Wiff {
        length: 0,
        container: Err(super::Torn { offset: 0, why: String::new(), may_heal: true }),
        sample_count: overview.table.count,
        samples,
        layout,
        file_record,
        shots,
        spent: Spent::default(),
    }
}

fn shot_list(bytes: &[u8]) -> Known<ShotList> {
    shots::find(bytes).ok_or_else(|| Unknown::NotStated("no list of wells stands in DabsInfo".to_owned()))
}

fn layout(overview: &Overview, samples: &[Sample]) -> Known<Layout> {
    let marked = overview.table.entries.values().find_map(|entry| entry.layout);
    match (&overview.places, marked) {
        (Ok(_), _) => Ok(Layout::ScanFile),
        (Err(Unknown::Missing(_)), Some(layout)) => Ok(layout),
        (Err(Unknown::Missing(_)), None) if samples.iter().any(|sample| sample.scan_stream.is_ok()) => {
            Ok(Layout::SingleFile)
        }
        (Err(why), _) => Err(why.clone()),
    }
}

fn sample<R: Read + Seek>(streams: &mut Streams<R>, index: u16, overview: &Overview, records: usize) -> Sample {
    let storage = format!("{SAMPLES}/Sample{index}");
    let method_storage = format!("/MethodSubtree/Method{index}");
    let path = |name: &str| format!("{storage}/{name}");

    let table = overview.table.entries.get(&index).cloned().ok_or_else(|| {
        let absent = || Unknown::NotStated(format!("the sample table has no entry for sample {index}"));
        overview.table.cut.clone().unwrap_or_else(absent)
    });
    let times = streams.times(&storage);
    let start = start(&table, times.clone().map(|(created, _)| created));
    let stamped = times.and_then(|(_, modified)| {
        modified.ok_or_else(|| Unknown::NotStated("the sample's storage has no modification time".to_owned()))
    });
    let (data, info, log_path) = (path("SampleDABE/DATA"), path("SampleDABE/CFR_INFO"), path("Log"));
    let (description, injection_volume_ul) = match streams.all(&data) {
        Ok(bytes) => describe::description(&data, &bytes),
        Err(why) => (Err(why.clone()), Err(why)),
    };
    let provenance = streams.all(&info).and_then(|bytes| describe::provenance(&info, &bytes));
    let (log, instrument) = match streams.all(&log_path) {
        Ok(bytes) => log::run_log(&log_path, &bytes),
        Err(why) => (Err(why.clone()), Err(why)),
    };
    let mut words: Vec<String> = description.iter().map(|description| description.method.clone()).collect();
    words.extend(streams.all(&format!("{method_storage}/Wiff2MethodInfo")).ok().map(|bytes| method_words(&bytes)));
    let (polarity, mode) = method::method(streams, &method_storage, &words);
    let scans = index::summary(streams, &path("Idx"), records);
    let block_at = overview.places.as_ref().map_err(Clone::clone).and_then(|places| {
        let absent = || Unknown::NotStated(format!("SampleIdxTable has no entry for sample {index}"));
        places.get(&index).copied().ok_or_else(absent)
    });
    let link = path("Wiff2SampleInfo");
    let wiff2 = streams.all(&link).and_then(|bytes| describe::wiff2_link(&link, &bytes));
    let scan_path = path("Scan");
    let scan_stream = streams.length(&scan_path);
    let mut sample = Sample {
        index,
        table,
        start,
        stamped,
        description,
        injection_volume_ul,
        provenance,
        log,
        instrument,
        polarity,
        mode,
        scans,
        block_at,
        scan_stream,
        scan_blocks: Vec::new(),
        wiff2,
    };
    sample.scan_blocks = scan::looks_in_stream(&sample)
        .into_iter()
        .filter_map(|look| {
            let bytes = streams.part(&scan_path, look.offset, look.length).ok()?;
            Some(scan::Seen { offset: look.offset, bytes })
        })
        .collect();
    sample
}

/// UTF-16 text of a stream, at either alignment, in which a word is looked for.
fn method_words(bytes: &[u8]) -> String {
    utf16(bytes.get(0x20..).unwrap_or_default()) + "\n" + &utf16(bytes.get(0x21..).unwrap_or_default())
}

/// Wall clock and UTC come from different places and may differ by some seconds; an offset is a whole quarter of an hour.
const SLACK_S: i64 = 120;
const QUARTER_S: i64 = 15 * 60;

fn start(table: &Known<TableEntry>, created: Known<Option<jiff::Timestamp>>) -> Known<Start> {
    let utc = created?.ok_or_else(|| Unknown::NotStated("the sample's storage has no creation time".to_owned()))?;
    let offset = table.as_ref().map_err(Clone::clone).and_then(|entry| {
        let unsound = |difference: SignedDuration| {
            let why = format!("wall clock and UTC differ by {difference}, which is no offset of a time zone");
            Unknown::NotStated(why)
        };
        let local =
            Offset::UTC.to_timestamp(entry.local_start).map_err(|error| Unknown::NotStated(error.to_string()))?;
        let difference = local.duration_since(utc);
        let seconds = difference.as_secs();
        let quarters = (seconds + QUARTER_S / 2).div_euclid(QUARTER_S);
        let rounded = quarters * QUARTER_S;
        if (seconds - rounded).abs() > SLACK_S || rounded.abs() > 15 * 3600 {
            return Err(unsound(difference));
        }
        i32::try_from(rounded)
            .ok()
            .and_then(|seconds| Offset::from_seconds(seconds).ok())
            .ok_or_else(|| unsound(difference))
    });
    Ok(Start { utc, offset })
}
