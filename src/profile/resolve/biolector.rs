//! The tables of a profile of a BioLector.

use std::sync::Arc;

use super::super::file::{FilterTable, LiveTable, PlateTable, ProfileTable, RangeTable, RangesTable, TimesTable};
use super::super::file::{ToleranceTable, UnitsTable};
use super::super::{BiolectorProfile, ChannelKindKey, Filter, Plate, Range, Units};
use super::value;
use crate::config::codes::Code;
use crate::config::reader::{At, Reader};
use crate::event::Well;

pub(super) fn biolector(table: &ProfileTable, reader: &mut Reader) -> BiolectorProfile {
    let entries = |list: &Option<At<Vec<At<PlateTable>>>>| value(list).unwrap_or_default();
    let plates = entries(&table.plates).iter().filter_map(|plate| resolve_plate(&plate.value, reader)).collect();
    let filters = resolve_filters(&value(&table.filters).unwrap_or_default(), reader);
    let units = resolve_units(table.units.as_ref().map(|at| &at.value));
    let mut profile = BiolectorProfile { plates, filters, units, ..BiolectorProfile::default() };
    put(&table.ranges, &table.tolerance, table.times.as_ref().map(|at| &at.value), &mut profile, reader);
    if let Some(at) = &table.live {
        put_live(&at.value, &mut profile);
    }
    profile
}

/// Puts what the tables say over what the profile says.
pub(super) fn put(
    ranges: &Option<At<RangesTable>>,
    tolerance: &Option<At<ToleranceTable>>,
    times: Option<&TimesTable>,
    profile: &mut BiolectorProfile,
    reader: &mut Reader,
) {
    put_ranges(ranges.as_ref().map(|at| &at.value), profile, reader);
    put_tolerance(tolerance.as_ref().map(|at| &at.value), profile);
    put_times(times, profile);
}

/// Puts what the table says of the remote interface over what the profile says.
pub(super) fn put_live(table: &LiveTable, profile: &mut BiolectorProfile) {
    let live = &mut profile.live;
    let put = |entry: Option<std::time::Duration>, field: &mut std::time::Duration| {
        if let Some(value) = entry {
            *field = value;
        }
    };
    put(table.progress_every.as_ref().map(|at| at.value.0), &mut live.progress_every);
    put(table.values_every.as_ref().map(|at| at.value.0), &mut live.values_every);
    put(table.experiments_every.as_ref().map(|at| at.value.0), &mut live.experiments_every);
    put(table.environment_every.as_ref().map(|at| at.value.0), &mut live.environment_every);
    if let Some(at) = &table.download_running_every {
        live.download_running_every = Some(at.value.0).filter(|every| !every.is_zero());
    }
    if let Some(at) = &table.max_download {
        live.max_download_bytes = at.value.0;
    }
    for (entry, field) in [
        (&table.temperature_band_c, &mut live.temperature_band_c),
        (&table.shaker_band_rpm, &mut live.shaker_band_rpm),
        (&table.gas_band_percent, &mut live.gas_band_percent),
    ] {
        if let Some(at) = entry {
            *field = at.value.0;
        }
    }
}

/// `A01-F08` as first and last well, which must lie on the plate.
fn wells(text: &At<String>, rows: u8, columns: u8, reader: &mut Reader) -> Option<(Well, Well)> {
    let ends = text.value.split_once('-').and_then(|(first, last)| {
        let well = |label: &str| Well::from_label(label.trim().as_bytes());
        Some((well(first)?, well(last)?))
    });
    let fits = |(first, last): &(Well, Well)| {
        first.row() <= last.row() && first.column() <= last.column() && last.row() < rows && last.column() < columns
    };
    let found = ends.filter(fits);
    if found.is_none() {
        let last = Well::new(rows.saturating_sub(1), columns.saturating_sub(1));
        let last = last.map(|well| well.to_string()).unwrap_or_default();
        reader
            .report(Code::BadPlate, text.span.clone(), format!("`{}` are no wells of this plate", text.value))
            .help(format!("write the upper left and the lower right well: \"A01-{last}\" are all"));
    }
    found
}

fn resolve_plate(table: &PlateTable, reader: &mut Reader) -> Option<Plate> {
    let small = |entry: i64| u8::try_from(entry).ok();
    let rows = small(value(&table.rows)?.0)?;
    let columns = small(value(&table.columns)?.0)?;
    let text = |at: &At<crate::config::values::Text<16>>| At { value: at.value.0.clone(), span: at.span.clone() };
    let cultivation = wells(&text(table.cultivation.as_ref()?), rows, columns, reader);
    let reservoirs = table.reservoirs.as_ref().map(|at| wells(&text(at), rows, columns, reader));
    Some(Plate {
        name: value(&table.name)?.0,
        id: value(&table.id).and_then(|id| u32::try_from(id.0).ok()),
        rows,
        columns,
        cultivation: cultivation?,
        reservoirs: reservoirs.flatten(),
        well_max_ul: value(&table.well_max_ul).map(|v| v.0),
    })
}

fn resolve_filters(tables: &[At<FilterTable>], reader: &mut Reader) -> Vec<Filter> {
    let mut filters: Vec<Filter> = Vec::new();
    for At { value: table, .. } in tables {
        let (Some(kind), Some(name)) = (value(&table.kind), value(&table.name)) else { continue };
        let id = value(&table.id).and_then(|id| u32::try_from(id.0).ok());
        if let Some(at) = table.id.as_ref().filter(|_| filters.iter().any(|filter| filter.id == id)) {
            reader
                .report(Code::DuplicateKey, at.span.clone(), format!("filter {} is defined twice", at.value.0))
                .help("keep one of the two");
        }
        filters.push(Filter {
            id,
            kind: kind.0,
            name: name.0,
            excitation_nm: value(&table.excitation_nm).map(|v| v.0),
            emission_nm: value(&table.emission_nm).map(|v| v.0),
        });
    }
    filters
}

fn resolve_units(table: Option<&UnitsTable>) -> Units {
    let unit = |entry: Option<&Option<At<crate::config::values::Text<20>>>>, default: &str| -> Arc<str> {
        entry.and_then(|e| e.as_ref()).map_or(default, |at| at.value.0.as_str()).into()
    };
    Units {
        biomass: unit(table.map(|t| &t.biomass), "a.u."),
        ph: unit(table.map(|t| &t.ph), "pH"),
        oxygen: unit(table.map(|t| &t.r#do), "unresolved"),
        fluorescence: unit(table.map(|t| &t.fluorescence), "a.u."),
        unknown: "unresolved".into(),
    }
}

fn put_ranges(table: Option<&RangesTable>, profile: &mut BiolectorProfile, reader: &mut Reader) {
    let Some(table) = table else { return };
    let entries: [(&Option<At<RangeTable>>, ChannelKindKey); 5] = [
        (&table.amplitude, ChannelKindKey::Amplitude),
        (&table.phase, ChannelKindKey::Phase),
        (&table.temperature, ChannelKindKey::Temperature),
        (&table.ph, ChannelKindKey::Ph),
        (&table.r#do, ChannelKindKey::Do),
    ];
    for (entry, key) in entries {
        let Some(at) = entry else { continue };
        let (Some(min), Some(max)) = (value(&at.value.min), value(&at.value.max)) else { continue };
        if min.0 < max.0 {
            profile.ranges.insert(key, Range { min: min.0, max: max.0 });
        } else {
            reader
                .report(Code::OutOfRange, at.span.clone(), format!("no value lies between {} and {}", min.0, max.0))
                .help("`min` must be smaller than `max`");
        }
    }
}

fn put_tolerance(table: Option<&ToleranceTable>, profile: &mut BiolectorProfile) {
    let Some(table) = table else { return };
    let tolerance = &mut profile.tolerance;
    for (entry, field) in [
        (&table.ph, &mut tolerance.ph),
        (&table.do_percent, &mut tolerance.do_percent),
        (&table.amplitude, &mut tolerance.amplitude),
        (&table.relative, &mut tolerance.relative),
    ] {
        if let Some(at) = entry {
            *field = at.value.0;
        }
    }
}

fn put_times(table: Option<&TimesTable>, profile: &mut BiolectorProfile) {
    let Some(table) = table else { return };
    if let Some(at) = &table.cycle_timeout_factor {
        profile.cycle_timeout_factor = at.value.0;
    }
    if let Some(at) = &table.default_cycle_time {
        profile.default_cycle_time = at.value.0;
    }
    if let Some(at) = &table.trust {
        profile.time_trust = at.value.0;
    }
}
