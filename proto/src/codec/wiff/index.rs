//! The index of a sample: stream `Idx`, one record for each scan.

use std::io::{Read, Seek};

use super::container::Streams;
use super::fields::Fields;
use super::model::{IndexRecord, IndexSummary, SampledRecord};
use super::reason::{Known, Unknown};

/// Bytes before the first record.
const PREAMBLE: u64 = 32;
/// Length of a record. On a ZenoTOF two of them belong together.
pub(super) const RECORD: u64 = 54;
/// The offset of a record has 32 bits; a step back by more than half of that is a turn.
const HALF_TURN: u32 = 1 << 31;
/// Records to look at where the offset turns over, so that no turn is missed.
const WHERE_IT_TURNS: usize = 512;
/// How far back from the end a scan with a signal is looked for.
const TAIL: u64 = 16;

/// Reads what is wanted of an index: first and last record and some between.
pub(super) fn summary<R: Read + Seek>(streams: &mut Streams<R>, stream: &str, wanted: usize) -> Known<IndexSummary> {
    let length = streams.length(stream)?;
    let Some(body) = length.checked_sub(PREAMBLE) else {
        let why = format!("the stream has {length} bytes");
        return Err(Unknown::Malformed { stream: stream.to_owned(), what: "preamble".into(), offset: 0, why });
    };
    let records = body / RECORD;
    let left_over = (body % RECORD) as u8;
    if records == 0 {
        return Ok(IndexSummary { records, left_over, first: None, last: None, data_length: 0, sampled: Vec::new() });
    }
    let mut sampled = sample(streams, stream, records, wanted.max(2))?;
    if sampled.windows(2).any(|pair| is_turn(&pair[0], &pair[1])) {
        sampled = sample(streams, stream, records, wanted.max(WHERE_IT_TURNS))?;
    }
    let sampled = unroll(sampled);
    let first = sampled.first().map(|sampled| sampled.record);
    let last = sampled.last().copied();
    let data_length = last.map_or(0, |last| last.offset + u64::from(last.record.length));
    let last = last.map(|last| last.record);
    if let Some(record) = last.filter(|last| records > 1 && last.offset == 0 && last.length == 0) {
        let at = PREAMBLE + record.number * RECORD;
        let why = "it is empty: the index is being written".to_owned();
        return Err(Unknown::Malformed { stream: stream.to_owned(), what: "last record".into(), offset: at, why });
    }
    Ok(IndexSummary { records, left_over, first, last, data_length, sampled })
}

fn is_turn(before: &IndexRecord, after: &IndexRecord) -> bool {
    before.offset > after.offset && before.offset - after.offset > HALF_TURN
}

/// Records evenly spread over the index, and those at its end.
fn sample<R: Read + Seek>(
    streams: &mut Streams<R>,
    stream: &str,
    records: u64,
    wanted: usize,
) -> Known<Vec<IndexRecord>> {
    let spread = records.min(wanted as u64);
    let mut numbers: Vec<u64> = (0..spread).map(|step| step * (records - 1) / (spread - 1).max(1)).collect();
    numbers.dedup();
    let tail_from = records.saturating_sub(TAIL);
    numbers.retain(|number| *number < tail_from);
    let mut found = Vec::with_capacity(numbers.len() + TAIL as usize);
    for number in numbers {
        found.extend(read(streams, stream, number, 1)?);
    }
    let tail = read(streams, stream, tail_from, records - tail_from)?;
    let last = tail.len() - 1;
    // Scans without a signal prove nothing when they are looked at: the last one with a signal is wanted, too.
    let telling = tail.iter().rposition(|record| record.length > 0 && record.tic > 0.0);
    let chosen = tail.into_iter().enumerate().filter(|(index, _)| *index == last || Some(*index) == telling);
    found.extend(chosen.map(|(_, record)| record));
    if found.first().is_some_and(|first| first.number > 0) {
        found.splice(0..0, read(streams, stream, 0, 1)?);
    }
    Ok(found)
}

fn read<R: Read + Seek>(streams: &mut Streams<R>, stream: &str, from: u64, count: u64) -> Known<Vec<IndexRecord>> {
    let bytes = streams.part(stream, PREAMBLE + from * RECORD, (count * RECORD) as usize)?;
    let records = bytes.chunks_exact(RECORD as usize).zip(from..);
    records.map(|(bytes, number)| record(stream, bytes, number)).collect()
}

fn record(stream: &str, bytes: &[u8], number: u64) -> Known<IndexRecord> {
    let mut fields = Fields::new(stream, bytes, 0);
    Ok(IndexRecord {
        number,
        offset: fields.u32("offset")?,
        length: fields.u32("length")?,
        time_ms: fields.f64("time")?,
        flag: fields.u16("flag")?,
        tic: fields.f64("total ion current")?,
    })
}

/// Counts the turns of the offset.
fn unroll(records: Vec<IndexRecord>) -> Vec<SampledRecord> {
    let mut turns = 0u64;
    let mut before: Option<IndexRecord> = None;
    let unrolled = records.into_iter().map(|record| {
        if before.is_some_and(|before| is_turn(&before, &record)) {
            turns += 1;
        }
        before = Some(record);
        SampledRecord { record, offset: u64::from(record.offset) + (turns << 32) }
    });
    unrolled.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_of_the_offset_are_counted() {
        let record = |offset| IndexRecord { number: 0, offset, length: 8, time_ms: 0.0, flag: 1, tic: 1.0 };
        let offsets = [0, 3_000_000_000, 500_000_000, 3_500_000_000, 100];
        let unrolled = unroll(offsets.into_iter().map(record).collect());
        let turns: Vec<u64> = unrolled.iter().map(|sampled| sampled.offset >> 32).collect();
        assert_eq!(turns, [0, 0, 1, 1, 2]);
    }
}
