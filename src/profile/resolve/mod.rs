//! From the tables of a profile file to a [`Profile`].

mod biolector;
mod echo;
mod robolector;
mod zenotof;

use std::ops::Range;
use std::time::Duration;

pub(crate) use robolector::put_line;

use super::file::{OverridesTable, ProfileTable, TimesTable};
use super::{EchoMsProfile, Family, Kind, Profile};
use crate::config::codes::Code;
use crate::config::problem::Problems;
use crate::config::reader::{At, Reader};
use crate::driver::zenotof::ejection::Order;

/// Reads the profile `name` from the text of the file `file_name`; every mistake is reported at its place.
pub fn parse(name: &str, file_name: &str, text: &str) -> Result<Profile, Problems> {
    let mut reader = Reader::new(file_name, text);
    let profile = reader.document::<ProfileTable>(text).and_then(|table| resolve(name, &table, &mut reader));
    let failed = reader.has_errors();
    match profile {
        Some(profile) if !failed => Ok(profile),
        _ => {
            let mut problems = Problems(reader.into_problems());
            problems.sort();
            Err(problems)
        }
    }
}

/// The value of an entry.
fn value<T: Clone>(entry: &Option<At<T>>) -> Option<T> {
    entry.as_ref().map(|at| at.value.clone())
}

/// Where an entry stands, and the key that says so.
fn place<T>(key: &'static str, entry: &Option<At<T>>) -> Option<(&'static str, Range<usize>)> {
    entry.as_ref().map(|at| (key, at.span.clone()))
}

fn resolve(name: &str, table: &ProfileTable, reader: &mut Reader) -> Option<Profile> {
    let family = value(&table.family)?.0;
    foreign_keys(family, table, reader);
    let kind = match family {
        Family::BiolectorOne | Family::BiolectorPro | Family::BiolectorXt => {
            Kind::Biolector(biolector::biolector(table, reader))
        }
        Family::RobolectorStar | Family::RobolectorTecan => {
            Kind::Robolector(robolector::robolector(family, table, reader))
        }
        Family::Zenotof => Kind::Zenotof(zenotof::zenotof(table, reader)),
        Family::EchoLiquidHandler => Kind::Echo(echo::echo(table)),
        Family::EchoMs => {
            Kind::EchoMs(EchoMsProfile { order: value(&table.ejection_order).map_or_else(Order::default, |at| at.0) })
        }
    };
    let mut profile = Profile {
        name: name.to_owned(),
        family,
        manufacturer: value(&table.manufacturer)?.0,
        model: value(&table.model)?.0,
        term: table.term.as_ref().and_then(|term| Some((value(&term.value.id)?.0, value(&term.value.label)?.0))),
        // The defaults; the schema names the same, which a test checks.
        settle: Duration::from_secs(5),
        silence: Duration::from_secs(60 * 60),
        kind,
    };
    put_times(table.times.as_ref().map(|at| &at.value), &mut profile);
    Some(profile)
}

/// `profile` with what one device overrides.
pub fn overridden(profile: &Profile, overrides: &OverridesTable, reader: &mut Reader) -> Profile {
    let mut profile = profile.clone();
    let times = overrides.times.as_ref().map(|at| &at.value);
    put_times(times, &mut profile);
    let own = [place("ranges", &overrides.ranges), place("tolerance", &overrides.tolerance)];
    let sets = place("file_sets", &overrides.file_sets);
    if let Some(at) = &overrides.live {
        match &mut profile.kind {
            Kind::Biolector(biolector) if profile.family == Family::BiolectorXt => {
                biolector::put_live(&at.value, biolector)
            }
            _ => report_foreign(profile.family, ("live", at.span.clone()), reader),
        }
    }
    match &mut profile.kind {
        Kind::Biolector(biolector) => {
            biolector::put(&overrides.ranges, &overrides.tolerance, times, biolector, reader);
        }
        Kind::Robolector(_) | Kind::Zenotof(_) | Kind::Echo(_) | Kind::EchoMs(_) => {
            let foreign = own.into_iter().chain(biolector_times(times)).flatten();
            foreign.for_each(|found| report_foreign(profile.family, found, reader));
        }
    }
    match (&mut profile.kind, &overrides.file_sets) {
        (Kind::Zenotof(zenotof), Some(at)) => zenotof::put(&at.value, zenotof, reader),
        (_, Some(_)) => sets.into_iter().for_each(|found| report_foreign(profile.family, found, reader)),
        (_, None) => {}
    }
    match (&mut profile.kind, &overrides.ejection_order) {
        (Kind::EchoMs(echo), Some(at)) => echo.order = at.value.0,
        (_, Some(at)) => report_foreign(profile.family, ("ejection_order", at.span.clone()), reader),
        (_, None) => {}
    }
    profile
}

/// Keys of another family's instruments: what somebody meant by them would silently not be so.
fn foreign_keys(family: Family, table: &ProfileTable, reader: &mut Reader) {
    let biolector = [
        place("plates", &table.plates),
        place("filters", &table.filters),
        place("units", &table.units),
        place("ranges", &table.ranges),
        place("tolerance", &table.tolerance),
    ];
    let biolector = biolector.into_iter().chain(biolector_times(table.times.as_ref().map(|at| &at.value)));
    let star = [place("star", &table.star)];
    let tecan = [place("tecan", &table.tecan)];
    let robolector = [
        place("channels", &table.channels),
        place("line", &table.line),
        place("replies", &table.replies),
        place("labware", &table.labware),
        place("liquid_classes", &table.liquid_classes),
    ];
    let zenotof = [place("file_sets", &table.file_sets)];
    let echo_ms = [place("ejection_order", &table.ejection_order)];
    let xt = [place("live", &table.live)];
    let echo = [place("acoustic", &table.acoustic)];
    let mut foreign = Vec::new();
    if !family.is_biolector() {
        foreign.extend(biolector);
    }
    if family != Family::RobolectorStar {
        foreign.extend(star);
    }
    if family != Family::RobolectorTecan {
        foreign.extend(tecan);
    }
    if !matches!(family, Family::RobolectorStar | Family::RobolectorTecan) {
        foreign.extend(robolector);
    }
    if family != Family::Zenotof {
        foreign.extend(zenotof);
    }
    if family != Family::EchoMs {
        foreign.extend(echo_ms);
    }
    if family != Family::BiolectorXt {
        foreign.extend(xt);
    }
    if family != Family::EchoLiquidHandler {
        foreign.extend(echo);
    }
    foreign.into_iter().flatten().for_each(|found| report_foreign(family, found, reader));
}

/// The entries of `times` that mean something for BioLectors only.
fn biolector_times(table: Option<&TimesTable>) -> Vec<Option<(&'static str, Range<usize>)>> {
    let Some(table) = table else { return Vec::new() };
    vec![
        place("cycle_timeout_factor", &table.cycle_timeout_factor),
        place("default_cycle_time", &table.default_cycle_time),
        place("trust", &table.trust),
    ]
}

fn report_foreign(family: Family, (key, span): (&'static str, Range<usize>), reader: &mut Reader) {
    let family = family.as_str();
    reader
        .report(Code::WrongFamily, span, format!("`{key}` means nothing for the family `{family}`"))
        .help("take it out, or use the family that it belongs to");
}

fn put_times(table: Option<&TimesTable>, profile: &mut Profile) {
    let Some(table) = table else { return };
    if let Some(at) = &table.settle {
        profile.settle = at.value.0;
    }
    if let Some(at) = &table.silence {
        profile.silence = at.value.0;
    }
}
