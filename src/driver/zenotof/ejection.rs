//! Shot lists: what an acoustic ejection run was to eject, in the order in which that happens.
//!
//! The files hold the list as it was typed. The order of the ejections is not recorded; the usual one is serpentine. source:
//! public description of the acoustic ejection method (`docs/acquisitions.md`).

use std::collections::BTreeMap;

use crate::config::values::Choice;
use crate::event::ejection::{Planned, PlannedEjection};
use crate::event::{Body, Event, Key, Well};

use super::tell::Teller;

/// In which order an instrument works a list off.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// Odd rows from left to right, even rows from right to left.
    #[default]
    Serpentine,
    /// All rows from left to right.
    Rows,
    /// As it was typed.
    AsListed,
}

impl Order {
    /// The name in the configuration and in events.
    pub fn as_str(self) -> &'static str {
        Self::CHOICES.iter().find(|(_, known, _)| *known == self).map_or("", |(name, ..)| name)
    }
}

impl Choice for Order {
    const WHAT: &'static str = "order of ejection";
    const CHOICES: &'static [(&'static str, Self, &'static str)] = &[
        ("serpentine", Self::Serpentine, "rows A, C, E … from left to right, rows B, D, F … from right to left"),
        ("rows", Self::Rows, "all rows from left to right"),
        ("as-listed", Self::AsListed, "as it was typed"),
    ];
}

/// `ejection.planned` of the last sample of a set; `None` where its file holds no shot list.
pub fn planned(teller: &Teller<'_>, order: Order) -> Option<Event> {
    let wiff = teller.look.wiff.as_ref()?;
    let list = wiff.shots.as_ref().ok().filter(|list| !list.shots.is_empty())?;
    let sample_index = u32::from(wiff.samples.last()?.index);
    let listed = list.shots.iter().zip(1u32..).map(|(shot, listed)| Listed {
        text: shot.name.clone(),
        well: shot.well.as_deref().and_then(|label| Well::from_label(label.as_bytes())),
        marker: shot.marker,
        listed,
    });
    let body = Planned {
        file_set: Some(teller.set()),
        sample_index: Some(sample_index),
        run: None,
        plate: None,
        order: order.as_str(),
        basis: "shot-list",
        ejections: ejections(listed.collect(), order),
    };
    Some(teller.event(Body::EjectionPlanned(body), Key::Text(format!("sample/{sample_index}")), None))
}

/// An entry of a list.
pub(in crate::driver) struct Listed {
    pub text: String,
    pub well: Option<Well>,
    pub marker: bool,
    /// Its place, from 1.
    pub listed: u32,
}

/// Puts a list into the order of ejection. Entries without a well keep their place among the typed ones before them;
/// repeats of a well stay as typed.
pub(in crate::driver) fn ejections(listed: Vec<Listed>, order: Order) -> Vec<PlannedEjection> {
    let mut last = None;
    let mut keyed: Vec<((u8, i16), Listed)> = Vec::with_capacity(listed.len());
    for entry in listed {
        let place = entry.well.map(|well| {
            let column = i16::from(well.column());
            let backwards = order == Order::Serpentine && well.row() % 2 == 1;
            (well.row(), if backwards { -column } else { column })
        });
        // What stands before the first well stays before it.
        let place = place.or(last).unwrap_or((0, i16::MIN));
        last = Some(place);
        keyed.push((place, entry));
    }
    if order != Order::AsListed {
        // Stable: equal places keep the typed order.
        keyed.sort_by_key(|(place, _)| *place);
    }
    let mut repeats: BTreeMap<Well, u32> = BTreeMap::new();
    let number = |(order, (_, entry)): (u32, (_, Listed))| {
        let repeat = entry.well.map_or(1, |well| {
            let repeat = repeats.entry(well).or_default();
            *repeat += 1;
            *repeat
        });
        let kind = if entry.marker { "marker" } else { "sample" };
        PlannedEjection { order, kind, well: entry.well, repeat, text: entry.text, listed: entry.listed }
    };
    (1u32..).zip(keyed).map(number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worked_off(names: &[&str], order: Order) -> Vec<String> {
        let listed = names.iter().zip(1u32..).map(|(name, listed)| {
            let marker = name.starts_with("Marker");
            let well = Well::from_label(name.as_bytes()).filter(|_| !marker);
            Listed { text: (*name).to_owned(), well, marker, listed }
        });
        let ejections = ejections(listed.collect(), order);
        assert!(ejections.iter().zip(1..).all(|(one, order)| one.order == order));
        ejections.iter().map(|one| format!("{}/{}", one.text, one.repeat)).collect()
    }

    #[test]
    fn a_list_is_worked_off_in_the_configured_order() {
        let names = ["Marker 1", "B1", "A1", "A2", "B2", "A1", "C1"];
        let serpentine = ["Marker 1/1", "A1/1", "A1/2", "A2/1", "B2/1", "B1/1", "C1/1"];
        assert_eq!(worked_off(&names, Order::Serpentine), serpentine);
        let rows = ["Marker 1/1", "A1/1", "A1/2", "A2/1", "B1/1", "B2/1", "C1/1"];
        assert_eq!(worked_off(&names, Order::Rows), rows);
        let typed = ["Marker 1/1", "B1/1", "A1/1", "A2/1", "B2/1", "A1/2", "C1/1"];
        assert_eq!(worked_off(&names, Order::AsListed), typed);
    }
}
