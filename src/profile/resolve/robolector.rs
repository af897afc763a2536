//! The tables of a profile of a RoboLector.

use std::collections::BTreeMap;

use super::super::Family;
use super::super::file::{LabwareTable, LineTable, LiquidClassTable, ProfileTable, RepliesTable, StarTable};
use super::super::robolector::{
    Dialect, LabwareType, LineSettings, LiquidClass, Marks, ReplyTimes, RobolectorProfile, StarDialect, TecanDialect,
    TecanForm, Terminator,
};
use super::value;
use crate::config::codes::Code;
use crate::config::reader::{At, Reader};
use crate::config::values::{NAME_RULE, made_valid};
use crate::event::ids::is_valid_name;

/// Channels where a profile says nothing: an 8-channel STAR or LiHa.
const CHANNELS: u8 = 8;

/// Syringes where a profile says nothing, in microlitres.
const SYRINGE_UL: f64 = 1000.0;

pub(super) fn robolector(family: Family, table: &ProfileTable, reader: &mut Reader) -> RobolectorProfile {
    let dialect = match family {
        Family::RobolectorTecan => {
            let tecan = table.tecan.as_ref().map(|at| &at.value);
            let form = tecan.and_then(|tecan| value(&tecan.form)).map_or(TecanForm::Rs232, |form| form.0);
            let syringe_ul = tecan.and_then(|tecan| value(&tecan.syringe_ul)).map_or(SYRINGE_UL, |ul| ul.0);
            Dialect::Tecan(TecanDialect { form, syringe_ul })
        }
        _ => Dialect::Star(star(table.star.as_ref().map(|at| &at.value), reader)),
    };
    RobolectorProfile {
        dialect,
        line: line(table.line.as_ref().map(|at| &at.value)),
        channels: value(&table.channels).and_then(|count| u8::try_from(count.0).ok()).unwrap_or(CHANNELS),
        replies: replies(table.replies.as_ref().map(|at| &at.value)),
        labware: labware(table, reader),
        liquid_classes: liquid_classes(&value(&table.liquid_classes).unwrap_or_default(), reader),
    }
}

fn star(table: Option<&StarTable>, reader: &mut Reader) -> StarDialect {
    let terminator = table.and_then(|table| value(&table.terminator)).map_or(Terminator::Any, |choice| choice.0);
    let gap = table.and_then(|table| value(&table.gap)).map(|gap| gap.0).unwrap_or_default();
    if let (Terminator::None, true, Some(at)) = (terminator, gap.is_zero(), table.and_then(|t| t.terminator.as_ref())) {
        reader
            .report(Code::OutOfRange, at.span.clone(), "without a terminator and a gap no string would ever end")
            .help("add `gap`, the silence that ends a string: \"20ms\"");
    }
    let marks = table.and_then(|table| table.marks.as_ref()).and_then(|at| {
        Some(Marks {
            to_instrument: value(&at.value.to_instrument)?.0,
            from_instrument: value(&at.value.from_instrument)?.0,
        })
    });
    StarDialect { terminator, gap, marks }
}

/// The line's settings, with defaults for what is not said.
fn line(table: Option<&LineTable>) -> LineSettings {
    let mut line = LineSettings::default();
    if let Some(table) = table {
        put_line(table, &mut line);
    }
    line
}

/// Puts what `table` says over `line`.
pub fn put_line(table: &LineTable, line: &mut LineSettings) {
    let small = |number: i64| u8::try_from(number).ok();
    line.baud = value(&table.baud).and_then(|baud| u32::try_from(baud.0).ok()).unwrap_or(line.baud);
    line.data_bits = value(&table.data_bits).and_then(|bits| small(bits.0)).unwrap_or(line.data_bits);
    line.stop_bits = value(&table.stop_bits).and_then(|bits| small(bits.0)).unwrap_or(line.stop_bits);
    line.parity = value(&table.parity).map_or(line.parity, |choice| choice.0);
    line.flow_control = value(&table.flow_control).map_or(line.flow_control, |choice| choice.0);
    line.dtr = value(&table.dtr).map_or(line.dtr, |choice| choice.0);
    line.rts = value(&table.rts).map_or(line.rts, |choice| choice.0);
}

fn replies(table: Option<&RepliesTable>) -> ReplyTimes {
    let mut times = ReplyTimes::default();
    let Some(table) = table else { return times };
    times.query = value(&table.query).map_or(times.query, |time| time.0);
    times.command = value(&table.command).map_or(times.command, |time| time.0);
    times.poll = value(&table.poll).map_or(times.poll, |time| time.0);
    times
}

fn labware(table: &ProfileTable, reader: &mut Reader) -> BTreeMap<String, LabwareType> {
    let mut types = BTreeMap::new();
    for (name, (span, at)) in table.labware.iter().flat_map(|named| &named.value.entries) {
        if !is_valid_name(name) {
            reader
                .report(Code::BadName, span.clone(), format!("`{name}` is not a valid name of labware"))
                .meant(made_valid(name))
                .help(NAME_RULE);
        }
        if let Some(kind) = labware_type(&at.value, reader) {
            types.insert(name.clone(), kind);
        }
    }
    types
}

fn labware_type(table: &LabwareTable, reader: &mut Reader) -> Option<LabwareType> {
    let small = |entry: i64| u8::try_from(entry).ok();
    let kind = LabwareType {
        rows: small(value(&table.rows)?.0)?,
        columns: small(value(&table.columns)?.0)?,
        pitch_mm: value(&table.pitch_mm)?.0,
        a1_x_mm: value(&table.a1_x_mm)?.0,
        a1_y_mm: value(&table.a1_y_mm)?.0,
        length_mm: value(&table.length_mm).map_or(127.76, |mm| mm.0),
        width_mm: value(&table.width_mm).map_or(85.48, |mm| mm.0),
        tolerance_mm: value(&table.tolerance_mm)?.0,
        well_max_ul: value(&table.well_max_ul).map(|ul| ul.0),
    };
    let last = |a1: f64, count: u8| a1 + kind.pitch_mm * f64::from(count.saturating_sub(1));
    if last(kind.a1_x_mm, kind.columns) > kind.length_mm || last(kind.a1_y_mm, kind.rows) > kind.width_mm {
        reader
            .report(Code::BadPlate, table.span.clone(), "the last well lies outside of the footprint")
            .help("check `pitch_mm`, the offset of A01, `length_mm` and `width_mm`");
    }
    if kind.tolerance_mm * 2.0 >= kind.pitch_mm {
        let span = table.tolerance_mm.as_ref().map_or(table.span.clone(), |at| at.span.clone());
        reader
            .report(Code::OutOfRange, span, "with this tolerance a position could mean two wells")
            .help("use less than half of `pitch_mm`");
    }
    Some(kind)
}

fn liquid_classes(tables: &[At<LiquidClassTable>], reader: &mut Reader) -> BTreeMap<String, LiquidClass> {
    let mut classes = BTreeMap::new();
    for At { value: table, .. } in tables {
        let (Some(name), Some(curve)) = (&table.name, &table.curve) else { continue };
        let point = |at: &At<super::super::file::PointTable>| {
            Some((value(&at.value.piston_ul)?.0, value(&at.value.liquid_ul)?.0))
        };
        let points: Vec<(f64, f64)> = curve.value.iter().filter_map(point).collect();
        let ascending = points.iter().zip(points.iter().skip(1)).all(|(a, b)| a.0 < b.0 && a.1 < b.1);
        if points.len() < 2 || !ascending {
            reader
                .report(
                    Code::OutOfRange,
                    curve.span.clone(),
                    "a curve needs two or more points, both figures ascending",
                )
                .help("for example `[{ piston_ul = 0, liquid_ul = 0 }, { piston_ul = 107.2, liquid_ul = 100 }]`");
        }
        if classes.insert(name.value.0.clone(), LiquidClass { curve: points }).is_some() {
            reader
                .report(Code::DuplicateKey, name.span.clone(), format!("`{}` is defined twice", name.value.0))
                .help("keep one of the two");
        }
    }
    classes
}
