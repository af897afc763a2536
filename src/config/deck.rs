//! From the tables of a robot's deck to what stands on it.

use std::path::Path;

use super::codes::Code;
use super::file::{ConfigTable, DeckTable, DeviceTable, PlacementTable};
use super::nearest::nearest;
use super::reader::{At, Reader, list};
use crate::profile::deck::{Anchor, DeckSettings, Labware, Role, Rotation};
use crate::profile::{Profile, Profiles, RobolectorProfile};

/// The deck of a device whose model is `profile`; `None` where something of it is wrong, which then was reported.
pub(super) fn deck(
    device: &DeviceTable,
    profile: &Profile,
    config: &ConfigTable,
    profiles: &Profiles,
    folder: &Path,
    reader: &mut Reader,
) -> Option<DeckSettings> {
    let Some(robot) = profile.robolector() else { return Some(DeckSettings::default()) };
    let placed = device.deck.as_ref().map(|at| labware(&at.value, robot, config, profiles, reader));
    let liquid_class = match &device.liquid_class {
        Some(at) => Some(liquid_class(at, robot, profile, reader)?),
        None => None,
    };
    let worklists = device.worklist.iter().flat_map(|at| &at.value.0).map(|path| path.in_folder(folder)).collect();
    Some(DeckSettings { labware: placed.unwrap_or_default(), liquid_class, worklists })
}

fn liquid_class(
    at: &At<super::values::Text<128>>,
    robot: &RobolectorProfile,
    profile: &Profile,
    reader: &mut Reader,
) -> Option<(String, crate::profile::robolector::LiquidClass)> {
    let name = &at.value.0;
    if let Some(class) = robot.liquid_classes.get(name) {
        return Some((name.clone(), class.clone()));
    }
    let names: Vec<&str> = robot.liquid_classes.keys().map(String::as_str).collect();
    let known = match names.is_empty() {
        true => format!("the profile `{}` has none: add it in a profile of your own", profile.name),
        false => format!("the profile `{}` has {}", profile.name, list(&names)),
    };
    reader
        .report(Code::UnknownName, at.span.clone(), format!("there is no liquid class `{name}`"))
        .meant(nearest(name, names.iter().copied()))
        .help(known);
    None
}

fn labware(
    table: &DeckTable,
    robot: &RobolectorProfile,
    config: &ConfigTable,
    profiles: &Profiles,
    reader: &mut Reader,
) -> Vec<Labware> {
    let mut placed: Vec<(Labware, std::ops::Range<usize>)> = Vec::new();
    for (name, (span, at)) in table.labware.iter().flat_map(|named| &named.value.entries) {
        culture(&at.value, config, profiles, reader);
        let Some(one) = placement(name, &at.value, robot, reader) else { continue };
        for (other, other_span) in &placed {
            let message = if overlap(&one, other) {
                format!("`{name}` and `{}` have wells in one place", other.name)
            } else if one.culture().is_some() && one.culture() == other.culture() {
                format!("`{name}` and `{}` are both the plate of one device", other.name)
            } else {
                continue;
            };
            reader
                .report(Code::BadDeck, span.clone(), message)
                .help("check `x_mm`, `y_mm`, `anchor`, `rotation` and `cultivation_device`")
                .also(other_span.clone(), format!("`{}`", other.name));
        }
        placed.push((one, span.clone()));
    }
    placed.into_iter().map(|(one, _)| one).collect()
}

fn placement(name: &str, table: &PlacementTable, robot: &RobolectorProfile, reader: &mut Reader) -> Option<Labware> {
    let type_name = table.r#type.as_ref()?;
    let geometry = robot.labware.get(&type_name.value.0);
    if geometry.is_none() {
        let names: Vec<&str> = robot.labware.keys().map(String::as_str).collect();
        reader
            .report(Code::UnknownName, type_name.span.clone(), format!("there is no labware `{}`", type_name.value.0))
            .meant(nearest(&type_name.value.0, names.iter().copied()))
            .help(format!("the profile has {}", list(&names)));
    }
    Some(Labware {
        name: name.to_owned(),
        type_name: type_name.value.0.clone(),
        geometry: geometry?.clone(),
        x_mm: table.x_mm.as_ref()?.value.0,
        y_mm: table.y_mm.as_ref()?.value.0,
        anchor: table.anchor.as_ref().map_or(Anchor::Corner, |at| at.value.0),
        rotation: table.rotation.as_ref().map_or(Rotation::None, |at| at.value.0),
        role: table.role.as_ref()?.value.0,
        cultivation_device: table.cultivation_device.as_ref().and_then(|at| at.value.0.parse().ok()),
        plate_id: table.plate_id.as_ref().map(|at| at.value.0.clone()),
        barcode: table.barcode.as_ref().map(|at| at.value.0.clone()),
    })
}

/// Whether what is said of a cultivation device fits the role, and whether there is one of that name.
fn culture(table: &PlacementTable, config: &ConfigTable, profiles: &Profiles, reader: &mut Reader) {
    let Some(role) = &table.role else { return };
    let is_culture = role.value.0 == Role::Cultivation;
    match &table.cultivation_device {
        None if is_culture && !reader.was_tried(&table.span, "cultivation_device") => {
            reader
                .report(Code::BadDeck, role.span.clone(), "nothing says in which device these cells grow")
                .help("add `cultivation_device`, the id of the BioLector in this configuration");
        }
        Some(at) if !is_culture => {
            reader
                .report(Code::BadDeck, at.span.clone(), "only the role `cultivation` has a cultivation device")
                .help("take it out, or change `role`");
        }
        Some(at) => cultivation_device(at, config, profiles, reader),
        None => {}
    }
}

fn cultivation_device(at: &At<super::values::Name>, config: &ConfigTable, profiles: &Profiles, reader: &mut Reader) {
    let name = &at.value.0;
    let devices = || config.devices.iter().flat_map(|named| &named.value.entries);
    // Of a device whose profile is unknown that is said already.
    let is_biolector = |profile: &str| profiles.get(profile).is_none_or(|profile| profile.family.is_biolector());
    let fitting: Vec<&str> = devices()
        .filter(|(_, (_, at))| at.value.profile.as_ref().is_none_or(|profile| is_biolector(&profile.value.0)))
        .map(|(id, _)| id.as_str())
        .collect();
    if fitting.contains(&name.as_str()) {
        return;
    }
    let known = match fitting.is_empty() {
        true => "there is no BioLector in this configuration".to_owned(),
        false => format!("there are {}", list(&fitting)),
    };
    let message = match devices().any(|(id, _)| id == name) {
        true => format!("`{name}` is no device in which cells grow"),
        false => format!("there is no device `{name}`"),
    };
    reader
        .report(Code::UnknownName, at.span.clone(), message)
        .meant(nearest(name, fitting.iter().copied()))
        .help(known);
}

/// Whether a position could mean a well of either.
fn overlap(one: &Labware, other: &Labware) -> bool {
    let ((ax0, ay0), (ax1, ay1)) = one.reach();
    let ((bx0, by0), (bx1, by1)) = other.reach();
    ax0 <= bx1 && bx0 <= ax1 && ay0 <= by1 && by0 <= ay1
}
