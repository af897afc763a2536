//! The bytes of single streams.

use super::super::{Description, FileRecord, IndexRecord, ModeKind, Polarity, Provenance, Window};
use super::NewMethod;

/// The 32 bytes before the content of every stream.
pub(super) fn preamble(version: u32) -> Vec<u8> {
    let mut bytes = vec![0; 32];
    bytes[4..8].copy_from_slice(&version.to_le_bytes());
    bytes
}

/// Some bytes, then texts: length in bytes, UTF-16. A text longer than its length field can say is cut off.
pub(super) fn texts(head: &[u8], texts: &[&str]) -> Vec<u8> {
    let mut bytes = head.to_vec();
    for text in texts {
        let units: Vec<u8> = text.encode_utf16().take(0x7fff).flat_map(u16::to_le_bytes).collect();
        bytes.extend((units.len() as u16).to_le_bytes());
        bytes.extend(units);
    }
    bytes
}

fn words(head: Vec<u8>, words: &[u32]) -> Vec<u8> {
    let mut bytes = head;
    bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    bytes
}

pub(super) fn file_record(record: &FileRecord) -> Vec<u8> {
    let head = words(preamble(4), &[1, 100, 1, 3]);
    let bytes = texts(&head, &[&record.kind, &record.software, &record.file_version]);
    let mut bytes = texts(&words(bytes, &[8]), &[&record.author, &record.computer, &record.path]);
    bytes.extend(1u32.to_le_bytes());
    bytes
}

pub(super) fn checksum_header() -> Vec<u8> {
    texts(&words(preamble(4), &[0]), &["[Checksum Time: ]; Checksum status \"Disable\""])
}

pub(super) fn description(description: &Description, injection_volume_ul: f32) -> Vec<u8> {
    let mut bytes = texts(
        &words(preamble(4), &[100]),
        &[
            &description.name,
            &description.id,
            &description.comment,
            &description.data_file,
            &description.method,
            &description.quantitation_method,
            &description.rack,
            &description.plate,
            &description.position,
        ],
    );
    bytes.extend(injection_volume_ul.to_le_bytes());
    bytes.extend([0; 22]);
    bytes
}

pub(super) fn provenance(provenance: &Provenance) -> Vec<u8> {
    texts(
        &preamble(4),
        &[
            &provenance.method_path,
            &provenance.batch_path,
            &provenance.user,
            &provenance.full_name,
            &provenance.operator,
            &provenance.project,
            &provenance.software,
            &provenance.computer,
            &provenance.set,
        ],
    )
}

/// The sample's name, its id (on an Echo MS the shot list), rack and position.
pub(super) fn dabs_info(description: &Description) -> Vec<u8> {
    let head = words(preamble(4), &[1]);
    let mut bytes = texts(&head, &[&description.name, &description.id, &description.rack, &description.position]);
    bytes.extend([0; 12]);
    bytes
}

/// Entries are local start and comment.
pub(super) fn sample_table<'a>(entries: impl Iterator<Item = (u32, &'a str)>, scan_file: bool) -> Vec<u8> {
    let mut count = 0u16;
    let mut body = Vec::new();
    for (local_start, comment) in entries {
        count += 1;
        body.extend([0; 4]);
        body.extend(count.to_le_bytes());
        body.push(if scan_file { 0x34 } else { 0x0c });
        body.extend([0; 11]);
        body.extend(local_start.to_le_bytes());
        body.extend([0; 4]);
        body.extend(count.to_le_bytes());
        body = texts(&body, &[comment]);
    }
    let mut bytes = words(preamble(4), &[0, 0]);
    bytes.extend([count.to_le_bytes(), count.to_le_bytes()].concat());
    bytes.extend(body);
    bytes
}

/// Places of the block headers, in the order of the samples.
pub(super) fn index_table(places: impl Iterator<Item = u32>) -> Vec<u8> {
    let mut bytes = preamble(4);
    for (index, place) in places.enumerate() {
        bytes = words(bytes, &[index as u32 + 1, place, 0, 0]);
    }
    bytes
}

pub(super) fn index_record(record: &IndexRecord) -> Vec<u8> {
    let mut bytes = words(Vec::with_capacity(54), &[record.offset, record.length]);
    bytes.extend(record.time_ms.to_le_bytes());
    bytes.extend(record.flag.to_le_bytes());
    bytes.extend(record.tic.to_le_bytes());
    bytes.extend([0; 28]);
    bytes
}

pub(super) fn log_head(entries: u32) -> Vec<u8> {
    words(preamble(4), &[0, entries])
}

pub(super) fn log_entry(sequence: u32, at_ms: u32, text: &str) -> Vec<u8> {
    texts(&words(Vec::new(), &[sequence, at_ms, 8]), &[&format!("{text}\r\n\n")])
}

pub(super) fn method_info(path: &str) -> Vec<u8> {
    texts(&words(preamble(5), &[0]), &[path])
}

/// Scan type and sign of each experiment.
pub(super) fn experiments(method: &NewMethod) -> Vec<(u16, bool)> {
    let types: Vec<u16> = match method.kind {
        ModeKind::Srm => vec![4],
        ModeKind::Ms1 => vec![8],
        ModeKind::Dda => vec![8, 9],
        ModeKind::Swath | ModeKind::ZtScan => {
            let windows = method.windows.len().min(64);
            std::iter::once(8).chain(std::iter::repeat_n(9, windows)).collect()
        }
        ModeKind::Prm => std::iter::once(8).chain(std::iter::repeat_n(9, method.ranges.min(64) as usize)).collect(),
        ModeKind::Unknown => vec![16],
    };
    let both = |scan_type: u16| match method.polarity {
        Polarity::Positive => vec![(scan_type, false)],
        Polarity::Negative => vec![(scan_type, true)],
        Polarity::Switching => vec![(scan_type, false), (scan_type, true)],
    };
    types.into_iter().flat_map(both).collect()
}

pub(super) fn experiment_header(scan_type: u16, negative: bool, ranges: u32) -> Vec<u8> {
    let mut bytes = preamble(5);
    bytes.resize(0x56, 0);
    bytes.extend(u16::from(negative).to_le_bytes());
    bytes.extend([0; 2]);
    bytes = texts(&bytes, &["New experiment"]);
    bytes.extend([0xff, 0xff]);
    bytes.extend(scan_type.to_le_bytes());
    bytes.resize(176, 0);
    bytes.extend(ranges.to_le_bytes());
    bytes
}

pub(super) fn windows(windows: &[Window]) -> Vec<u8> {
    let mut bytes = preamble(4);
    bytes.resize(40, 0);
    for window in windows {
        bytes.extend(window.lower.to_le_bytes());
        bytes.extend(window.upper.to_le_bytes());
        bytes.extend([0; 4]);
    }
    bytes
}

/// The first bytes of a `.wiff.scan`.
pub fn file_header() -> [u8; 20] {
    let mut header = [0; 20];
    header[..2].copy_from_slice(&[0x82, 0x05]);
    header
}

/// What stands before a sample's data in a `.wiff.scan`. `length` is 0 except in files of the Echo MS.
pub fn block_header(sample: u16, length: u32) -> [u8; 24] {
    let mut header = [0; 24];
    header[..6].copy_from_slice(&[0x11, 0x11, 0x11, 0x11, 0x82, 0x05]);
    header[8..10].copy_from_slice(&sample.to_le_bytes());
    header[12..16].copy_from_slice(&length.to_le_bytes());
    header
}

/// The data of a scan of transitions, and their sum.
pub fn intensities(values: &[f32]) -> (Vec<u8>, f64) {
    let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    (bytes, values.iter().map(|value| f64::from(*value)).sum())
}
