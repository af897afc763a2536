//! What stands on the simulated robot's deck.

use instrument_proto::geometry::{LabwareType, Placed, Placement, Position, Rotation, RowColumn, YAxis};

/// What labware is for, in the words of the daemon's configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Cells grow in it.
    Cultivation,
    /// Samples are put into it.
    Sample,
    /// What is added comes from it.
    Source,
    /// Waste.
    Waste,
    /// Tips.
    Tips,
}

impl Role {
    /// The word in the configuration.
    pub fn word(self) -> &'static str {
        match self {
            Self::Cultivation => "cultivation",
            Self::Sample => "sample",
            Self::Source => "source",
            Self::Waste => "waste",
            Self::Tips => "tips",
        }
    }
}

/// One thing on the deck.
#[derive(Debug, Clone, PartialEq)]
pub struct Piece {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: LabwareType,
    /// Where it stands.
    pub placement: Placement,
    /// What it is for.
    pub role: Role,
}

/// A well of a thing on the deck.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    /// The labware's name.
    pub labware: String,
    /// Its well.
    pub well: RowColumn,
}

impl Place {
    /// A well of this labware.
    pub fn new(labware: &str, row: u8, column: u8) -> Self {
        Self { labware: labware.to_owned(), well: RowColumn { row, column } }
    }

    /// `A01`.
    pub fn label(&self) -> String {
        let RowColumn { row, column } = self.well;
        let prefix = if row >= 26 { "A" } else { "" };
        format!("{prefix}{}{:02}", char::from(b'A' + row % 26), u16::from(column) + 1)
    }

    /// Reads `A01`, with the row's letters from A to AF.
    pub fn read(labware: &str, label: &str) -> Option<Self> {
        let letters = label.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (row, column) = label.split_at(letters);
        let row = match row.to_ascii_uppercase().as_bytes() {
            [one] => one - b'A',
            [b'A', two @ b'A'..=b'F'] => 26 + two - b'A',
            _ => return None,
        };
        let column = column.parse::<u8>().ok()?.checked_sub(1)?;
        Some(Self::new(labware, row, column))
    }
}

/// The deck.
#[derive(Debug, Clone, PartialEq)]
pub struct Deck {
    /// The robot's axes.
    pub y_axis: YAxis,
    /// What stands there.
    pub pieces: Vec<Piece>,
}

impl Deck {
    /// Tips, the BioLector's plate (`cultures`), a deep-well plate (`samples`), one for later (`archive`), a trough of feed and a waste.
    pub fn standard(y_axis: YAxis) -> Self {
        let at = |x_mm: f64| Placement { x_mm, y_mm: 70.0, rotation: Rotation::None };
        let piece = |name: &str, kind: LabwareType, x_mm: f64, role: Role| Piece {
            name: name.to_owned(),
            kind,
            placement: at(x_mm),
            role,
        };
        let named = |name: &str, kind: LabwareType| LabwareType { name: name.to_owned(), ..kind };
        Self {
            y_axis,
            pieces: vec![
                piece("tips", named("mtp-96", LabwareType::plate_96()), 100.0, Role::Tips),
                piece("cultures", LabwareType::flowerplate_48(), 250.0, Role::Cultivation),
                piece("samples", named("dwp-96", LabwareType::plate_96()), 400.0, Role::Sample),
                piece("archive", named("mtp-96", LabwareType::plate_96()), 550.0, Role::Sample),
                piece("feed", LabwareType::trough(), 700.0, Role::Source),
                piece("waste", LabwareType::trough(), 850.0, Role::Waste),
            ],
        }
    }

    /// The thing with this name.
    pub fn named(&self, name: &str) -> Option<&Piece> {
        self.pieces.iter().find(|piece| piece.name == name)
    }

    /// The first thing of a role.
    pub fn of(&self, role: Role) -> Option<&Piece> {
        self.pieces.iter().find(|piece| piece.role == role)
    }

    /// The centre of a well; `None` where there is none.
    pub fn centre(&self, place: &Place) -> Option<Position> {
        let piece = self.named(&place.labware)?;
        Placed { labware: &piece.kind, placement: piece.placement, y_axis: self.y_axis }.centre(place.well)
    }

    /// The middle of a thing's footprint if it stood at this placement: where a gripper takes it.
    pub fn middle(&self, piece: &Piece, placement: Placement) -> Position {
        let (length, width) = match placement.rotation {
            Rotation::None | Rotation::Half => (piece.kind.length_mm, piece.kind.width_mm),
            Rotation::Quarter | Rotation::ThreeQuarters => (piece.kind.width_mm, piece.kind.length_mm),
        };
        let tenths = |mm: f64| (mm * 10.0).round() as i32;
        Position { x: tenths(placement.x_mm + length / 2.0), y: tenths(placement.y_mm + width / 2.0) }
    }

    /// The deck as tables of the daemon's configuration, which counts rotations counter-clockwise.
    pub fn to_configuration(&self, device: &str, cultivation_device: &str) -> String {
        let mut text = String::new();
        for piece in &self.pieces {
            let Placement { x_mm, y_mm, rotation } = piece.placement;
            let turned = (360 - rotation.degrees()) % 360;
            text.push_str(&format!(
                "[devices.{device}.deck.labware.{}]\ntype = \"{}\"\nx_mm = {x_mm}\ny_mm = {y_mm}\nrotation = {turned}\nrole = \"{}\"\n",
                piece.name,
                piece.kind.name,
                piece.role.word(),
            ));
            if piece.role == Role::Cultivation {
                text.push_str(&format!("cultivation_device = \"{cultivation_device}\"\n"));
            }
            text.push('\n');
        }
        text
    }
}
