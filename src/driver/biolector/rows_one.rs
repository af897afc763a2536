//! The rows of a BioLector I's table, taken into a run.

use instrument_proto::codec::biolector::lines::Line;
use instrument_proto::codec::biolector::number::Cell;
use instrument_proto::codec::biolector::one::{self, Row, TableLine};

use super::comments;
use super::cycle;
use super::defects::DefectCode;
use super::reading::{Reading, plausible};
use super::run::{Reference, Remark, Run};
use crate::driver::Effects;
use crate::event::Well;
use crate::event::cultivation::{Quality, ReferenceKind};

/// Takes one line; `offset` is where it begins in the data section.
pub(super) fn line(run: &mut Run, line: Line<'_>, offset: u64, effects: &mut Effects) {
    let row = match one::read(line.bytes, run.facts.width) {
        TableLine::Blank => return,
        TableLine::Row(row) => row,
        TableLine::Header => {
            run.defect(DefectCode::HeaderRestart, offset, "the column names stand again in the table");
            return;
        }
        TableLine::Torn(_) if !line.terminated => {
            let text = one::latin1(&line.bytes[..line.bytes.len().min(120)]);
            run.state.totals.add(DefectCode::UnterminatedLine, offset, &text);
            return;
        }
        TableLine::Torn(_) => {
            run.defect(DefectCode::TornLine, offset, &one::latin1(&line.bytes[..line.bytes.len().min(120)]));
            return;
        }
    };
    run.state.closed = false;
    match row {
        Row::Measurement { cycle, well, filterset, time_h, amplitude, phase, temperature } => {
            let Some(well) = Well::from_label(well) else {
                run.defect(DefectCode::UnknownWell, offset, &one::latin1(well));
                return;
            };
            let elapsed_s = seconds(time_h);
            run.state.last_filterset = Some(filterset);
            let reading = Reading {
                cycle,
                filterset,
                well,
                elapsed_s,
                amplitude,
                amplitude_2: Cell::Empty,
                referenced: Cell::Empty,
                phase,
                calibrated: Cell::Empty,
                temperature,
                service: &[],
                digest: cycle::digest(line.bytes),
                offset,
            };
            run.measurement(&reading, None, line.terminated, effects);
        }
        Row::Reference { filterset, time_h, amplitude, phase, text } => {
            // The row names no cycle. The filter sets come in order, so one that does not go up begins the next.
            let begins = run.state.last_filterset.is_none_or(|last| filterset <= last);
            let newest = run.state.newest.unwrap_or(0);
            let cycle = if begins { newest.saturating_add(1) } else { newest };
            let elapsed_s = seconds(time_h);
            run.state.last_filterset = Some(filterset);
            let quality = match amplitude {
                Cell::Number(v) if v == -9999.0 || v == 0.0 => Quality::NotANumber,
                Cell::Number(_) if plausible(amplitude).is_none() => Quality::OutOfRange,
                Cell::Number(_) => Quality::Ok,
                Cell::Overload => Quality::Overload,
                _ => Quality::NotANumber,
            };
            let text = one::latin1(text);
            let reference = Reference {
                kind: ReferenceKind::Reference,
                cycle,
                filterset,
                elapsed_s,
                amplitude: plausible(amplitude).filter(|_| quality == Quality::Ok),
                intensity: None,
                phase_deg: plausible(phase),
                quality,
                text: (!text.is_empty()).then_some(text.as_str()),
                offset,
            };
            run.reference(reference, effects);
        }
        Row::Comment { time_h, text } => {
            run.flush_late(None, effects);
            let cycle = run.state.newest.unwrap_or(0);
            let elapsed_s = time_h.map(seconds);
            for (ordinal, text) in (0u32..).zip(comments::one_texts(&one::latin1(text))) {
                let remark = Remark { kind: "system", text: &text, meaning: comments::one(&text), ordinal };
                run.remark(&remark, cycle, elapsed_s, offset, effects);
            }
        }
    }
}

/// Hours with five decimals are good to 0.04 s; milliseconds keep all of it.
fn seconds(hours: f64) -> f64 {
    (hours * 3_600_000.0).round() / 1000.0
}
