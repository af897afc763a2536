//! Who a plate is: by its barcode where it was read, else by its place in the run.

use std::collections::BTreeMap;
use std::sync::Arc;

use instrument_proto::codec::echo::{PlateName, Report};

use super::{Context, text};
use crate::event::IdBase;
use crate::event::transfer::ReportedPlate;

/// A barcode as events tell it.
pub(super) fn barcode(written: &str, context: &Context) -> (Option<Arc<str>>, &'static str) {
    match written {
        "" => (None, "none"),
        placeholder if context.profile.is_placeholder(placeholder) => (None, "no-read"),
        read => (Some(read.into()), "read"),
    }
}

/// The id of a plate without a barcode of its own, made of device, run and place.
pub(super) fn made_id(run: &str, position: &str, context: &Context) -> Arc<str> {
    IdBase::new(&context.source, run, "plate", position).id(1).to_string().into()
}

/// The plates of a run.
pub(super) struct Plates<'r> {
    known: BTreeMap<(&'static str, &'r PlateName), Arc<ReportedPlate>>,
}

impl<'r> Plates<'r> {
    /// Those that the rows of `report` name, whose run's identity is `run`.
    pub fn of(report: &'r Report, run: &str, context: &Context) -> Self {
        let mut known: BTreeMap<(&'static str, &'r PlateName), Arc<ReportedPlate>> = BTreeMap::new();
        // By role and barcode: under how many names.
        let mut names: BTreeMap<(&'static str, &str), Vec<&str>> = BTreeMap::new();
        let sides = |row: &'r instrument_proto::codec::echo::Row| {
            [("source", Some(&row.source)), ("destination", row.destination_well.map(|_| &row.destination))]
        };
        for (role, plate) in report.rows.iter().flat_map(sides) {
            let Some(plate) = plate else { continue };
            if known.contains_key(&(role, plate)) {
                continue;
            }
            let under = names.entry((role, plate.barcode.as_str())).or_default();
            if !under.contains(&plate.name.as_str()) {
                under.push(&plate.name);
            }
            let (barcode, barcode_status) = barcode(&plate.barcode, context);
            let id = match &barcode {
                Some(barcode) => barcode.clone(),
                None => made_id(run, &format!("{role}/{}", plate.name), context),
            };
            let told = ReportedPlate {
                id,
                barcode,
                barcode_status,
                role,
                name: text(&plate.name),
                plate_type: text(&plate.plate_type),
            };
            known.insert((role, plate), Arc::new(told));
        }
        for ((role, plate), told) in &mut known {
            let twice = names.get(&(*role, plate.barcode.as_str())).is_some_and(|names| names.len() > 1);
            if twice && told.barcode.is_some() {
                let id = made_id(run, &format!("{role}/{}", plate.name), context);
                *told = Arc::new(ReportedPlate { id, barcode_status: "duplicate", ..(**told).clone() });
            }
        }
        Self { known }
    }

    /// A plate of the report that these were made of.
    pub fn get(&self, role: &'static str, plate: &'r PlateName) -> Option<&Arc<ReportedPlate>> {
        self.known.get(&(role, plate))
    }
}

/// Rows and columns of a plate: of the format whose number of wells stands in the name of its type (`384PP_AQ_BP`), else of the
/// smallest that has all of `wells`.
pub(super) fn format(plate_type: &str, wells: impl Iterator<Item = (u32, u32)>, context: &Context) -> (u32, u32) {
    const STANDARD: [(u32, u32); 3] = [(8, 12), (16, 24), (32, 48)];
    let mut numbers = plate_type.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse::<u32>().ok());
    let named = numbers.find(|number| context.profile.plate_formats.contains(number));
    if let Some(format) = STANDARD.into_iter().find(|(rows, columns)| Some(rows * columns) == named) {
        return format;
    }
    let (rows, columns) = wells.fold((0, 0), |(r, c), (row, column)| (r.max(row + 1), c.max(column + 1)));
    STANDARD.into_iter().find(|(r, c)| rows <= *r && columns <= *c).unwrap_or((32, 48))
}
