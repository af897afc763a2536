//! What happens to plates: the `data` of the `labware.*` types.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::cultivation::Plate;
use super::liquid::{ModuleError, Outcome, Position};

/// Where a plate stood or stands.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct DeckPlace {
    /// The name in the configuration of the labware for which this place was laid out; absent where it is no such place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labware: Option<Arc<str>>,
    /// The plate's centre, or the point that the instrument names instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
}

/// `labware.plate-loaded`: a plate that was not known before stands at a place of the deck.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct PlateLoaded {
    /// The plate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plate: Option<Plate>,
    /// Where it stands.
    pub place: DeckPlace,
    /// How it came: `gripper`, `autoload`.
    pub by: &'static str,
    /// Whether it was done.
    pub outcome: Outcome,
}

/// `labware.plate-moved`: a plate was taken from one place to another.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct PlateMoved {
    /// The plate; absent where no configured labware stood there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plate: Option<Plate>,
    /// The labware's name in the configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labware: Option<Arc<str>>,
    /// From where.
    pub from: DeckPlace,
    /// To where; absent where it failed before that was known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<DeckPlace>,
    /// By how many degrees it was turned, counter-clockwise seen from above; absent where it was not, or nothing tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotated_degrees: Option<u16>,
    /// How: `gripper`.
    pub by: &'static str,
    /// Whether it was done; where it `failed` the plate is where it was, or still in the gripper.
    pub outcome: Outcome,
    /// What the instrument reported.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<ModuleError>,
}

/// `labware.plate-removed`: a plate is no longer at any known place.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct PlateRemoved {
    /// The plate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plate: Option<Plate>,
    /// The labware's name in the configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labware: Option<Arc<str>>,
    /// Where it stood last.
    pub from: DeckPlace,
    /// Why: `gripped-and-lost`, `unloaded`.
    pub reason: &'static str,
    /// What happened, in words.
    pub text: String,
    /// What the instrument reported.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<ModuleError>,
    /// Whether it was done.
    pub outcome: Outcome,
}

/// `labware.barcode-read`: the instrument tried to read a barcode.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct BarcodeRead {
    /// What was read; absent where nothing was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub barcode: Option<String>,
    /// `read`, `none`, `no-read` or `duplicate`.
    pub barcode_status: &'static str,
    /// The labware that it was read for, where the configuration tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labware: Option<Arc<str>>,
    /// The place in the instrument's own words, a carrier position for instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instrument_place: Option<String>,
    /// What read it, as the instrument names it.
    pub reader: String,
    /// What the instrument reported.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<ModuleError>,
}
