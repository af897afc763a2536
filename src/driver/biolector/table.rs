//! The rows of the Pro's and the XT's tables, taken into a run.

use std::collections::BTreeMap;
use std::sync::Arc;

use instrument_proto::codec::biolector::columns::{Cells, Column, Layout};
use instrument_proto::codec::biolector::lines::Line;
use instrument_proto::codec::biolector::number::Cell;
use instrument_proto::codec::biolector::row::{self, Kind, Row, TableLine};

use super::clock;
use super::comments;
use super::cycle;
use super::defects::DefectCode;
use super::facts::Family;
use super::reading::{Reading, plausible};
use super::readings::Reference;
use super::remarks::Remark;
use super::run::Run;
use crate::driver::Effects;
use crate::event::cultivation::{Environment, Fed, Quality, ReferenceKind};
use crate::event::{Body, Key};

/// Sources and wells whose volumes are followed; a plate has 48 wells and a well up to three sources.
const MAX_VOLUMES: usize = 1000;

/// A saturated reference is written as this intensity.
const SATURATED: f64 = 8192.0;

/// What the XT's simulation writes for a reference that it did not measure.
const UNSET_REFERENCE: f64 = 9999.0;

/// Takes one line; `offset` is where it begins in the data section.
pub(super) fn line(run: &mut Run, layout: &Layout, line: Line<'_>, offset: u64, effects: &mut Effects) {
    match row::read(line.bytes, layout) {
        TableLine::Blank => {}
        TableLine::Row(row) => take(run, layout, &row, line, offset, effects),
        TableLine::Header => {
            // Versions of the software change at such places, and with them the length of rows.
            run.state.row_length = None;
            run.defect(DefectCode::HeaderRestart, offset, "the column names stand again in the table");
        }
        TableLine::Section(b"end_process") => run.state.end_section = true,
        TableLine::Section(_) => {}
        TableLine::Entry(b"end_date_time", value) if run.state.end_section => {
            let written = String::from_utf8_lossy(value).into_owned();
            let at = clock::local(&written, &run.context.time_zone).map(|moment| moment.at);
            run.state.end_section = false;
            run.end(Some(written), at, effects);
        }
        TableLine::Entry(b"process", value) => {
            let process = run.facts.run_id.split('/').nth(1).unwrap_or_default();
            if run.facts.family == Family::Pro && process.as_bytes() != value && run.context.stated_run_id.is_none() {
                run.defect(DefectCode::OtherProcess, offset, &text_of(line.bytes));
            }
        }
        TableLine::Entry(..) => {}
        TableLine::Torn(_) if !line.terminated => {
            // A file that still grows ends anywhere; the line may yet become a whole one.
            run.state.totals.add(DefectCode::UnterminatedLine, offset, &text_of(line.bytes));
        }
        TableLine::Torn(_) => run.defect(DefectCode::TornLine, offset, &text_of(line.bytes)),
    }
}

fn take(run: &mut Run, layout: &Layout, row: &Row<'_>, line: Line<'_>, offset: u64, effects: &mut Effects) {
    if row.placeholders {
        run.defect(DefectCode::Placeholders, offset, &text_of(line.bytes));
    }
    if !matches!(row.kind, Kind::Measurement | Kind::Reference | Kind::Internal) {
        run.flush_late(None, effects);
    }
    // Rows after the end make the end told again.
    if !matches!(row.kind, Kind::Valve) {
        run.state.closed = false;
    }
    let figure = |column| row::figure(&row.cells, layout, column);
    match (row.kind, row.filterset, row.time_s) {
        (Kind::Measurement, Some(filterset), Some(elapsed_s)) => {
            let Some(well) = run.well(row.well) else {
                run.defect(DefectCode::UnknownWell, offset, &text_of(line.bytes));
                return;
            };
            let reading = Reading {
                cycle: row.cycle,
                filterset,
                well,
                elapsed_s,
                amplitude: figure(Column::Amp1),
                amplitude_2: figure(Column::Amp2),
                referenced: figure(Column::AmpRef1),
                phase: figure(Column::Phase),
                calibrated: figure(Column::Cal),
                temperature: figure(Column::Temperature),
                service: row::text(&row.cells, layout, Column::Service),
                digest: cycle::digest(line.bytes),
                offset,
            };
            run.measurement(&reading, Some(row.cells.count()), line.terminated, effects);
        }
        (Kind::Reference, Some(filterset), Some(elapsed_s)) => {
            let reference = reference(row, layout, filterset, elapsed_s, offset);
            run.reference(reference, effects);
        }
        (Kind::Internal, Some(filterset), Some(elapsed_s)) => {
            let reference = Reference {
                kind: ReferenceKind::Internal,
                amplitude: None,
                quality: if intensity(&figure(Column::RefInt)).is_some() { Quality::Ok } else { Quality::NotANumber },
                ..reference(row, layout, filterset, elapsed_s, offset)
            };
            run.reference(reference, effects);
        }
        (Kind::Environment, ..) => environment(run, row, layout, line, offset, effects),
        (Kind::Comment, ..) => comment(run, row, layout, offset, effects),
        (Kind::Fluid, _, Some(elapsed_s)) => fluid(run, row, layout, elapsed_s, line, offset, effects),
        (Kind::Valve, ..) => run.state.totals.add(DefectCode::ValveRow, offset, "valve debugging, not read"),
        _ => run.defect(DefectCode::TornLine, offset, &text_of(line.bytes)),
    }
}

fn intensity(cell: &Cell) -> Option<f64> {
    plausible(*cell).filter(|v| *v != SATURATED)
}

fn reference<'a>(row: &Row<'a>, layout: &Layout, filterset: u32, elapsed_s: f64, offset: u64) -> Reference<'a> {
    let figure = |column| row::figure(&row.cells, layout, column);
    let amplitude = figure(Column::Amp1);
    let saturated = figure(Column::RefInt).number() == Some(SATURATED);
    let quality = match amplitude {
        Cell::Overload => Quality::Overload,
        Cell::Number(-9999.0) if saturated => Quality::Overload,
        // The instruments write 0.00 where they read no reference.
        Cell::Number(v) if v == -9999.0 || v == 0.0 => Quality::NotANumber,
        Cell::Number(v) if v == UNSET_REFERENCE || plausible(amplitude).is_none() => Quality::OutOfRange,
        Cell::Number(_) => Quality::Ok,
        _ => Quality::NotANumber,
    };
    let service = row::text(&row.cells, layout, Column::Service);
    let service = std::str::from_utf8(service).ok().filter(|s| !s.is_empty() && s.parse::<f64>().is_err());
    Reference {
        kind: ReferenceKind::Reference,
        cycle: row.cycle,
        filterset,
        elapsed_s,
        amplitude: plausible(amplitude).filter(|_| quality == Quality::Ok),
        intensity: intensity(&figure(Column::RefInt)),
        phase_deg: plausible(figure(Column::RefPhase)),
        quality,
        text: service,
        offset,
    }
}

fn environment(run: &mut Run, row: &Row<'_>, layout: &Layout, line: Line<'_>, offset: u64, effects: &mut Effects) {
    let Some(elapsed_s) = row.time_s else { return };
    if !row.well.is_empty() {
        // Its well and amplitude are those of the measurement before it, and so is all the rest.
        run.defect(DefectCode::StaleCopy, offset, &text_of(line.bytes));
        return;
    }
    // No sensor reads -1000, which stands for an absent one as -9999 does.
    let figure = |column| plausible(row::figure(&row.cells, layout, column)).filter(|v| *v > -999.0);
    let temperatures: BTreeMap<Arc<str>, f64> = run
        .sensors
        .iter()
        .filter_map(|(at, name)| {
            let value = plausible(row::figure_at(&row.cells, layout, *at))?;
            (-273.0..1000.0).contains(&value).then(|| (name.clone(), value))
        })
        .collect();
    let body = Environment {
        run: run.run.clone(),
        cycle: row.cycle,
        elapsed_s,
        temperatures_c: temperatures,
        shaker_rpm: figure(Column::Shaker),
        o2_percent: figure(Column::O2),
        co2_percent: figure(Column::Co2),
        humidity_percent: figure(Column::Humidity),
        flow: None,
    };
    let scope = run.scope(row.cycle);
    run.emit(effects, Body::Environment(body), Key::Offset(offset, 0), scope, Some(elapsed_s), Some(offset));
}

fn comment(run: &mut Run, row: &Row<'_>, layout: &Layout, offset: u64, effects: &mut Effects) {
    let columns = [(Column::Service, "service"), (Column::UserComment, "user"), (Column::SysComment, "system")];
    for (ordinal, (column, kind)) in (0u32..).zip(columns) {
        let text = clean(row::text(&row.cells, layout, column));
        if text.is_empty() {
            continue;
        }
        let meaning = match (kind, run.facts.family) {
            ("system", Family::Xt) => comments::xt(&text),
            ("system", _) => comments::pro(&text),
            _ => comments::Meaning::Remark,
        };
        let remark = Remark { kind, text: &text, meaning, ordinal };
        run.remark(&remark, row.cycle, row.time_s, offset, effects);
    }
}

fn fluid(
    run: &mut Run,
    row: &Row<'_>,
    layout: &Layout,
    elapsed_s: f64,
    line: Line<'_>,
    offset: u64,
    effects: &mut Effects,
) {
    let Some(well) = run.well(row.well) else {
        run.defect(DefectCode::UnknownWell, offset, &text_of(line.bytes));
        return;
    };
    let cells: &Cells<'_> = &row.cells;
    let source = match row::text(cells, layout, Column::Reservoir) {
        b"EXTERNAL" | b"-1" => "external".to_owned(),
        b"01" => "A".to_owned(),
        b"02" => "B".to_owned(),
        other => clean(other),
    };
    let figure = |column| plausible(row::figure(cells, layout, column));
    let volumes = (figure(Column::Volume), figure(Column::TotalVolume));
    let key = format!("{well}/{source}");
    if run.volumes.get(&key) == Some(&volumes) {
        return;
    }
    if run.volumes.len() < MAX_VOLUMES || run.volumes.contains_key(&key) {
        run.volumes.insert(key, volumes);
        run.changed.volumes = true;
    }
    let body = Fed {
        run: run.run.clone(),
        plate_id: run.plate_id.clone(),
        cycle: row.cycle,
        elapsed_s,
        well,
        source,
        volume_ul: volumes.0,
        total_volume_ul: volumes.1,
    };
    let scope = run.scope(row.cycle);
    run.emit(effects, Body::Fed(body), Key::Offset(offset, 0), scope, Some(elapsed_s), Some(offset));
}

/// Text without control characters.
pub(super) fn clean(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>().trim().to_owned()
}

fn text_of(line: &[u8]) -> String {
    clean(&line[..line.len().min(120)])
}
