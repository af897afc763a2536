//! Damage that real files were seen with, done to the lines of a cycle.

use std::collections::BTreeSet;

use fastrand::Rng;

use super::line::{Condition, Line};
use super::quirk::Quirk;
use super::settings::Settings;

/// Does to a cycle's lines what the quirks say. `cycle` counts from 0 and is the one of the run, not the printed one.
pub fn damage(lines: &mut Vec<Line>, settings: &Settings, cycle: u32) {
    // The cycle in which the damage happens: the second where there is one.
    if cycle != settings.cycles.min(2) - 1 {
        return;
    }
    let mut rng = Rng::with_seed(settings.seed ^ 0xDA_3A6E);
    if settings.has(Quirk::MissingWells) {
        lose_wells(lines, &mut rng);
    }
    if settings.has(Quirk::DuplicateRows) {
        repeat_rows(lines);
    }
    if settings.has(Quirk::SplicedBlock) {
        splice_block(lines);
    }
    if settings.has(Quirk::TornLine) {
        tear_lines(lines, &mut rng);
    }
    if settings.has(Quirk::StrayBytes) {
        scatter_bytes(lines, &mut rng);
    }
    tell_once(lines);
}

/// A reading whose row stands there more than once is told once: with its first sound row, or else with its first.
fn tell_once(lines: &mut [Line]) {
    let same =
        |line: &Line| line.reading.as_ref().map(|reading| (reading.filterset, reading.well.clone(), reading.time));
    let sound = |line: &Line| line.reading.as_ref().is_some_and(|reading| reading.condition != Condition::Damaged);
    let mut told = BTreeSet::new();
    let sound_rows = (0..lines.len()).filter(|&row| sound(&lines[row]));
    let others = (0..lines.len()).filter(|&row| !sound(&lines[row]));
    for row in sound_rows.chain(others).collect::<Vec<_>>() {
        if let Some(reading) = same(&lines[row])
            && !told.insert(reading)
        {
            lines[row].reading = None;
        }
    }
}

/// Where the measurements of one filter set stand; of the second where there is one, since the first is often special.
fn one_filter_set(lines: &[Line]) -> Vec<usize> {
    let sets: BTreeSet<u32> =
        lines.iter().filter_map(|line| line.reading.as_ref()).map(|reading| reading.filterset).collect();
    let wanted = sets.iter().nth(1).or(sets.first()).copied();
    let of_set = |line: &Line| line.reading.as_ref().map(|reading| reading.filterset) == wanted && wanted.is_some();
    lines.iter().enumerate().filter(|(_, line)| of_set(line)).map(|(index, _)| index).collect()
}

/// Up to three wells of a filter set have no row, at least one stays.
fn lose_wells(lines: &mut Vec<Line>, rng: &mut Rng) {
    let mut rows = one_filter_set(lines);
    let lost = rows.len().saturating_sub(1).min(3);
    rng.shuffle(&mut rows);
    rows.truncate(lost);
    rows.sort_unstable();
    for row in rows.into_iter().rev() {
        lines.remove(row);
    }
}

/// The first three rows of a filter set stand there twice, one block behind the other.
fn repeat_rows(lines: &mut Vec<Line>) {
    let rows = one_filter_set(lines);
    let Some(&last) = rows.get(rows.len().min(3).wrapping_sub(1)) else { return };
    let copies: Vec<Line> = rows.iter().take(3).map(|&row| lines[row].clone()).collect();
    lines.splice(last + 1..last + 1, copies);
}

/// Five rows again, in place of the six that should follow.
fn splice_block(lines: &mut Vec<Line>) {
    let rows = one_filter_set(lines);
    // As in the file where it was seen: behind the thirteenth well, on a smaller plate in the middle.
    let end = if rows.len() >= 20 { 13 } else { rows.len() / 2 };
    let begin = end.saturating_sub(5);
    let lost = rows.len().saturating_sub(end).min(6);
    let (Some(&from), Some(&to)) = (rows.get(end), rows.get((end + lost).wrapping_sub(1))) else { return };
    let copies: Vec<Line> = rows[begin..end].iter().map(|&row| lines[row].clone()).collect();
    lines.splice(from..=to, copies);
}

/// Glues the first half of one row to the second half of a later one, both cut at their amplitude: `8.5` and `8.34` become `8.58.34`.
fn tear_lines(lines: &mut Vec<Line>, rng: &mut Rng) {
    let rows = one_filter_set(lines);
    let [first, second] = match rows.len() {
        0 => return,
        1 => [rows[0], rows[0]],
        count => {
            let at = rng.usize(0..count - 1);
            [rows[at], rows[at + 1]]
        }
    };
    let Some(amplitude) = amplitude_field(&lines[first].bytes) else { return };
    let Some(other) = amplitude_field(&lines[second].bytes) else { return };
    let mut glued = lines[first].bytes[..amplitude.end].to_vec();
    glued.extend_from_slice(&lines[second].bytes[other.start..]);
    lines[first].bytes = glued;
    for row in [first, second] {
        if let Some(reading) = &mut lines[row].reading {
            reading.condition = Condition::Damaged;
        }
    }
    if first != second {
        // The later row has no line of its own any more, and its reading is nowhere.
        lines.remove(second);
    }
}

/// The bytes of a row's raw amplitude: the first field that holds a decimal point behind the time.
fn amplitude_field(bytes: &[u8]) -> Option<std::ops::Range<usize>> {
    // `C<n>` rows of a BioLector I carry the time in hours before it.
    let column = if bytes.first() == Some(&b'C') { 6 } else { 5 };
    let mut start = 0;
    for (index, field) in bytes.split(|&byte| byte == b';').enumerate() {
        if index == column {
            return Some(start..start + field.len());
        }
        start += field.len() + 1;
    }
    None
}

/// A control byte at a random place of one measurement, and two in the line behind the filter set.
fn scatter_bytes(lines: &mut [Line], rng: &mut Rng) {
    let rows = one_filter_set(lines);
    if let Some(&row) = rows.get(rng.usize(0..rows.len().max(1))) {
        let place = rng.usize(2..lines[row].bytes.len());
        lines[row].bytes.insert(place, 0x10);
        if let Some(reading) = &mut lines[row].reading {
            reading.condition = Condition::Damaged;
        }
    }
    if let Some(line) = rows.last().and_then(|&last| lines.get_mut(last + 1)) {
        let place = line.bytes.len() / 2;
        line.bytes.insert(place, 0x00);
        line.bytes.insert(place, 0x10);
        if let Some(reading) = &mut line.reading {
            reading.condition = Condition::Damaged;
        }
    }
}
