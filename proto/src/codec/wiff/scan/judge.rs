//! What to look at in the data, and what it proves.

use super::super::{IndexRecord, Sample, SampledRecord};
use super::{BLOCK_HEADER, Block, Chain, FILE_HEADER, Finding, HEADERS_ONLY, Look, Seen, has_transitions};

/// The first bytes of the file and, after [`BLOCK_MARK`], of each block header.
const MARK: [u8; 4] = [0x82, 0x05, 0x00, 0x00];
const BLOCK_MARK: [u8; 4] = [0x11; 4];

/// A scan's data up to this length are looked at as a whole; of longer ones the first [`PART`] bytes.
const WHOLE: u32 = 16 * 1024;
const PART: usize = 1024;

/// Scans that are looked at in all samples together; of each sample no more than were sampled of its index
/// ([`super::super::Limits::sampled_records`]).
pub const MOST_LOOKS: usize = 1024;

/// A sum of 32-bit floats may differ by so much of itself.
const SLACK: f64 = 1e-3;

/// Data before the first scan's, in the stream `Scan` of the single-file layout.
const STREAM_PREAMBLE: u64 = 32;

impl Chain {
    /// What to read of a file of this size, in the order of the file, before it is judged. At most some thousand places of at most
    /// 16 KiB.
    pub fn looks(&self, size: u64) -> Vec<Look> {
        let mut looks = vec![Look { offset: 0, length: FILE_HEADER as usize }];
        for block in &self.blocks {
            let Ok(at) = block.header_at else { continue };
            looks.push(Look { offset: at, length: BLOCK_HEADER as usize });
            looks.extend(self.chosen(block).map(|sampled| look(at + BLOCK_HEADER, sampled)));
        }
        looks.retain(|look| {
            look.length > 0 && look.offset.checked_add(look.length as u64).is_some_and(|end| end <= size)
        });
        looks.sort_by_key(|look| look.offset);
        looks.dedup();
        looks
    }

    /// The scans of a block to look at: all that are sampled, fewer where there are many samples, the last ones first.
    fn chosen<'a>(&self, block: &'a Block) -> impl Iterator<Item = &'a SampledRecord> + use<'a> {
        let share = (MOST_LOOKS / self.blocks.len().max(1)).max(3);
        let all = block.sampled.len();
        let step = all.div_ceil(share).max(1);
        let telling = block.sampled.iter().enumerate();
        telling
            .filter(move |(index, _)| (all - 1 - index).is_multiple_of(step) || index + 2 >= all || *index == 0)
            .map(|(_, sampled)| sampled)
    }

    /// Judges a file of this size by what was read of it. Nothing found means that it is whole, as far as it was looked at; see also
    /// [`Finding::is_hint`].
    pub fn judge(&self, size: u64, seen: &[Seen]) -> Vec<Finding> {
        let mut findings = Vec::new();
        if size == 0 {
            return vec![Finding::Empty];
        }
        for block in &self.blocks {
            if let Some(why) = block.header_at.as_ref().err().or(block.end.as_ref().err()) {
                findings.push(Finding::NoIndex { sample: block.sample, why: why.clone() });
            }
        }
        let data_expected = self.blocks.iter().any(|block| block.end.as_ref().is_ok_and(|end| *end > HEADERS_ONLY));
        if size <= HEADERS_ONLY && (data_expected || self.blocks.len() <= 1) {
            findings.push(Finding::HeadersOnly { size });
            return findings;
        }
        self.judge_file_header(size, seen, &mut findings);
        self.judge_chain(size, &mut findings);
        for block in &self.blocks {
            self.judge_block(block, size, seen, &mut findings);
        }
        findings
    }

    fn judge_file_header(&self, size: u64, seen: &[Seen], findings: &mut Vec<Finding>) {
        match bytes(seen, 0, FILE_HEADER as usize) {
            None if size < FILE_HEADER => {}
            None => findings.push(Finding::NotSeen { offset: 0, length: FILE_HEADER }),
            Some(header) if header.iter().all(|byte| *byte == 0) => {
                findings.push(Finding::Zeros { sample: 0, offset: 0, length: FILE_HEADER });
            }
            Some(header) if header[..4] != MARK => {
                let why = "it does not begin as such a file does".to_owned();
                findings.push(Finding::Mispaired { sample: 0, offset: 0, why });
            }
            Some(_) => {}
        }
    }

    /// The end of each block against the next header, and the last end against the size.
    fn judge_chain(&self, size: u64, findings: &mut Vec<Finding>) {
        for pair in self.blocks.windows(2) {
            if let (Ok(end), Ok(next)) = (&pair[0].end, &pair[1].header_at)
                && end != next
            {
                findings.push(Finding::Broken { sample: pair[0].sample, end: *end, next: *next });
            }
        }
        let ends = || self.blocks.iter().filter_map(|block| Some((block.sample, *block.end.as_ref().ok()?)));
        let Some(expected) = ends().map(|(_, end)| end).max() else { return };
        if expected > size {
            let sample = ends().find(|(_, end)| *end > size).map_or(0, |(sample, _)| sample);
            findings.push(Finding::Truncated { sample, expected, size, missing: expected - size });
        } else if expected < size && self.blocks.iter().all(|block| block.end.is_ok()) {
            findings.push(Finding::Longer { expected, size, extra: size - expected });
        }
    }

    fn judge_block(&self, block: &Block, size: u64, seen: &[Seen], findings: &mut Vec<Finding>) {
        let Ok(at) = block.header_at else { return };
        let sample = block.sample;
        match bytes(seen, at, BLOCK_HEADER as usize) {
            None if at.saturating_add(BLOCK_HEADER) > size => return,
            None => findings.push(Finding::NotSeen { offset: at, length: BLOCK_HEADER }),
            Some(header) if header.iter().all(|byte| *byte == 0) => {
                findings.push(Finding::Zeros { sample, offset: at, length: BLOCK_HEADER });
            }
            Some(header) => findings.extend(header_finding(block, at, header)),
        }
        let data = at + BLOCK_HEADER;
        let expected = self.chosen(block).map(|sampled| (look(data, sampled), sampled.record));
        let inside = expected.filter(|(look, _)| look.offset.saturating_add(look.length as u64) <= size);
        judge_data(sample, inside, seen, self.sums_bind && block.transitions, findings);
    }
}

fn header_finding(block: &Block, at: u64, header: &[u8]) -> Option<Finding> {
    let sample = block.sample;
    let mispaired = |why: String| Some(Finding::Mispaired { sample, offset: at, why });
    let word =
        |from: usize| header.get(from..from + 4).and_then(|four| four.try_into().ok()).map_or(0, u32::from_le_bytes);
    if header[..4] != BLOCK_MARK || header[4..8] != MARK {
        return mispaired("no sample begins where its .wiff says so".to_owned());
    }
    if word(8) != u32::from(sample) {
        return mispaired(format!("sample {} begins where sample {sample} should", word(8)));
    }
    let stated = word(12);
    let expected = block.end.as_ref().ok()?.checked_sub(at + BLOCK_HEADER)?;
    // Four bytes of length: of more data only the rest can stand there.
    (stated != 0 && u64::from(stated) != expected & 0xffff_ffff).then_some(Finding::BlockLength {
        sample,
        stated,
        expected,
    })
}

fn look(data: u64, sampled: &SampledRecord) -> Look {
    let length = if sampled.record.length <= WHOLE { sampled.record.length as usize } else { PART };
    Look { offset: data.saturating_add(sampled.offset), length }
}

fn bytes(seen: &[Seen], offset: u64, length: usize) -> Option<&[u8]> {
    seen.iter().find(|seen| seen.offset == offset && seen.bytes.len() >= length)?.bytes.get(..length)
}

/// Looks into the data of single scans.
fn judge_data(
    sample: u16,
    scans: impl Iterator<Item = (Look, IndexRecord)>,
    seen: &[Seen],
    binding: bool,
    findings: &mut Vec<Finding>,
) {
    let (mut checked, mut differing, mut first) = (0, 0, None);
    let (mut ratios, mut is_understood) = (Ratios::default(), true);
    for (look, record) in scans.filter(|(look, _)| look.length > 0) {
        let Some(data) = bytes(seen, look.offset, look.length) else {
            findings.push(Finding::NotSeen { offset: look.offset, length: look.length as u64 });
            continue;
        };
        // Without a signal zeros are what is expected.
        let signal = record.tic > 0.0;
        if signal && data.iter().all(|byte| *byte == 0) {
            findings.push(Finding::Zeros { sample, offset: look.offset, length: look.length as u64 });
            continue;
        }
        let Some((found, are_intensities)) = sum(&record, data) else { continue };
        checked += 1;
        is_understood &= are_intensities;
        ratios.add(found, record.tic);
        if (found - record.tic).abs() > SLACK * record.tic.abs().max(1.0) || found.is_nan() {
            differing += 1;
            first = first.or(Some((look.offset, record.tic, found)));
        }
    }
    if let Some((offset, stated, found)) = first {
        // One factor for all of them: the index counts in another unit, and the data are its own. Where no scan is as the index says and what
        // stands there cannot be intensities, the data are written in another way than this reader knows, and prove nothing.
        let binding = binding && !ratios.are_one_factor() && (differing < checked || is_understood);
        findings.push(Finding::Differs { sample, offset, stated, found, differing, checked, binding });
    }
}

/// Sums of the data as multiples of what the index says, over scans with a signal.
#[derive(Debug, Default)]
struct Ratios {
    scans: usize,
    least: f64,
    most: f64,
}

impl Ratios {
    /// Fewer scans prove nothing.
    const FEWEST: usize = 8;

    fn add(&mut self, found: f64, stated: f64) {
        let ratio = found / stated;
        if stated > 0.0 {
            let (least, most) = if self.scans == 0 { (f64::INFINITY, 0.0) } else { (self.least, self.most) };
            // What is no number is no factor either.
            self.least = if ratio.is_finite() { least.min(ratio) } else { f64::NEG_INFINITY };
            self.most = most.max(ratio);
            self.scans += 1;
        }
    }

    fn are_one_factor(&self) -> bool {
        self.scans >= Self::FEWEST && self.least > 0.0 && self.most - self.least <= 2.0 * SLACK * self.least
    }
}

/// The sum of a scan's transitions, and whether all its values can be intensities; none for a scan of another kind.
fn sum(record: &IndexRecord, data: &[u8]) -> Option<(f64, bool)> {
    /// Counts per second: no detector gives more, and what is less is none. Whole numbers and other bytes, read as floats, are hardly ever between.
    const INTENSITIES: std::ops::RangeInclusive<f64> = 1e-6..=1e12;
    let whole = data.len() == record.length as usize && data.len().is_multiple_of(4);
    if record.flag != 0 || !whole || !record.tic.is_finite() {
        return None;
    }
    let values = data.chunks_exact(4).map(|four| f64::from(f32::from_le_bytes([four[0], four[1], four[2], four[3]])));
    let are_intensities = values.clone().all(|value| value == 0.0 || INTENSITIES.contains(&value.abs()));
    // Negative values stand for transitions that were not measured in this scan; what is no number must not vanish.
    Some((values.filter(|value| value.is_nan() || *value >= 0.0).sum(), are_intensities))
}

/// What to look at in a sample's own stream `Scan`.
pub(in super::super) fn looks_in_stream(sample: &Sample) -> Vec<Look> {
    let (Ok(length), Ok(scans)) = (&sample.scan_stream, &sample.scans) else { return Vec::new() };
    let looks = scans.sampled.iter().map(|sampled| look(STREAM_PREAMBLE, sampled));
    looks.filter(|look| look.length > 0 && look.offset.saturating_add(look.length as u64) <= *length).collect()
}

/// Judges the data of a sample in the single-file layout ([`super::super::Layout::SingleFile`]): they stand in the `.wiff` itself, behind 32 bytes of
/// a stream that is allocated in steps.
pub fn judge_stream(sample: &Sample, sums_bind: bool) -> Vec<Finding> {
    let number = sample.index;
    let (length, scans) = match (&sample.scan_stream, &sample.scans) {
        (Ok(length), Ok(scans)) => (*length, scans),
        (Err(why), _) | (_, Err(why)) => return vec![Finding::NoIndex { sample: number, why: why.clone() }],
    };
    let mut findings = Vec::new();
    let expected = STREAM_PREAMBLE + scans.data_length;
    if expected > length {
        findings.push(Finding::Truncated { sample: number, expected, size: length, missing: expected - length });
    }
    let looks = scans.sampled.iter().map(|sampled| (look(STREAM_PREAMBLE, sampled), sampled.record));
    let inside = looks.filter(|(look, _)| look.offset.saturating_add(look.length as u64) <= length);
    judge_data(number, inside, &sample.scan_blocks, sums_bind && has_transitions(sample), &mut findings);
    findings
}
