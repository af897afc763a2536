//! What stands where on the deck: the configuration's labware, and what the gripper did to it since.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use instrument_proto::geometry::{Hit, LabwareType, Placed, Placement, Position, Rotation, YAxis};
use serde::{Deserialize, Serialize};

use crate::event::cultivation::Plate;
use crate::event::liquid::{self, Culture, CultureBasis, Place};
use crate::event::{EventSource, IdBase, Subject, Well};
use crate::profile::deck::{Anchor, DeckSettings, Labware, Role, Rotation as Turned};

/// Most labware that a deck can have: its places are counted in a byte.
const MAX_PIECES: usize = 250;

/// How far the gripper's point may be from the middle of a plate's footprint.
const GRIP_TOLERANCE_MM: f64 = 8.0;

/// The labware of the configuration, at the places for which it was laid out.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Deck {
    pieces: Vec<Piece>,
    y_axis: YAxis,
    /// For each piece the id that was made last: every event of a well names its plate.
    made: RefCell<BTreeMap<u8, Made>>,
}

/// The id of a plate that has neither one of the configuration nor a barcode, and of what it was made.
#[derive(Debug, Clone, PartialEq)]
struct Made {
    epoch: String,
    used: u32,
    id: Arc<str>,
}

/// One piece of labware.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Piece {
    pub name: Arc<str>,
    pub kind: LabwareType,
    pub home: Placement,
    pub role: Role,
    pub device: Option<Arc<str>>,
    pub well_max_ul: Option<f64>,
    plate_id: Option<Arc<str>>,
    barcode: Option<String>,
}

/// What became of the deck since it was laid out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Standing {
    /// Where moved labware stands now; `None`: nowhere that is known.
    moved: BTreeMap<u8, Option<Placement>>,
    /// What was read.
    barcodes: BTreeMap<u8, String>,
    /// How often a place got another plate than the one of the configuration.
    uses: BTreeMap<u8, u32>,
    /// The epoch in which the deck was first looked at: part of the ids of plates without a barcode.
    pub epoch: String,
}

/// What is at a position.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Spot {
    /// A well.
    Well { piece: u8, well: Well },
    /// Labware, but none of its wells; the nearest one and how far its centre is away, millimetres.
    Between { piece: u8, nearest: Well, away_mm: f64 },
    /// Nothing that is configured.
    Nowhere,
}

impl Spot {
    /// The well, where it is one.
    pub fn well(self) -> Option<(u8, Well)> {
        match self {
            Self::Well { piece, well } => Some((piece, well)),
            _ => None,
        }
    }
}

impl Deck {
    /// The deck of a configuration, on a robot with such axes.
    pub fn new(settings: &DeckSettings, y_axis: YAxis) -> Self {
        let pieces = settings.labware.iter().take(MAX_PIECES).map(|labware| Piece::new(labware, y_axis)).collect();
        Self { pieces, y_axis, made: RefCell::default() }
    }

    /// One piece of labware.
    pub fn piece(&self, piece: u8) -> Option<&Piece> {
        self.pieces.get(usize::from(piece))
    }

    /// The piece with this name.
    pub fn named(&self, name: &str) -> Option<u8> {
        let at = self.pieces.iter().position(|piece| piece.name.eq_ignore_ascii_case(name))?;
        u8::try_from(at).ok()
    }

    fn numbered(&self) -> impl Iterator<Item = (u8, &Piece)> {
        (0u8..).zip(&self.pieces)
    }

    fn placed<'a>(&self, piece: &'a Piece, placement: Placement) -> Placed<'a> {
        Placed { labware: &piece.kind, placement, y_axis: self.y_axis }
    }

    /// What is at a position now. Where labware overlaps, the nearest well counts.
    ///
    /// A tip that works where labware stood before it was moved shows that it was not this that was moved (a lid was, for
    /// instance): the labware is taken to stand there again.
    pub fn spot(&self, standing: &mut Standing, at: Position) -> Spot {
        let now = self.best(at, |number, piece| standing.placement(number, piece));
        if now != Spot::Nowhere || standing.moved.is_empty() {
            return now;
        }
        let before = self.best(at, |number, piece| standing.moved.contains_key(&number).then_some(piece.home));
        if let Some((piece, _)) = before.well() {
            standing.moved.remove(&piece);
            return before;
        }
        Spot::Nowhere
    }

    fn best(&self, at: Position, placement: impl Fn(u8, &Piece) -> Option<Placement>) -> Spot {
        let mut best = (f64::INFINITY, Spot::Nowhere);
        for (number, piece) in self.numbered() {
            let Some(placement) = placement(number, piece) else { continue };
            let (distance, spot) = match self.placed(piece, placement).hit(at) {
                Hit::Outside => continue,
                Hit::Well(found, away) => match Well::new(found.row, found.column) {
                    Some(well) => (away, Spot::Well { piece: number, well }),
                    None => continue,
                },
                // Behind every well that is hit.
                Hit::Between(found, away) => match Well::new(found.row, found.column) {
                    Some(nearest) => (away + 1e6, Spot::Between { piece: number, nearest, away_mm: away }),
                    None => continue,
                },
            };
            if distance < best.0 {
                best = (distance, spot);
            }
        }
        best.1
    }

    /// The labware whose footprint's middle is there now.
    ///
    /// A Tecan's plate arm has axes of its own, whose distance from the pipetting arm's differs from carrier to carrier: what it
    /// grips is not known.
    pub fn gripped(&self, standing: &Standing, at: Position) -> Option<u8> {
        self.centred(at, |number, piece| standing.placement(number, piece))
    }

    /// The labware for which the place was laid out whose middle is there.
    pub fn laid_out(&self, at: Position) -> Option<u8> {
        self.centred(at, |_, piece| Some(piece.home))
    }

    fn centred(&self, at: Position, placement: impl Fn(u8, &Piece) -> Option<Placement>) -> Option<u8> {
        if self.y_axis == YAxis::ToTheFront {
            return None;
        }
        let (x, y) = (f64::from(at.x) / 10.0, f64::from(at.y) / 10.0);
        self.numbered()
            .filter_map(|(number, piece)| {
                let placement = placement(number, piece)?;
                let (size_x, size_y) = piece.size(placement.rotation);
                let away = (placement.x_mm + size_x / 2.0 - x).hypot(placement.y_mm + size_y / 2.0 - y);
                (away <= GRIP_TOLERANCE_MM).then_some((away, number))
            })
            .min_by(|a, b| a.0.total_cmp(&b.0))
            .map(|(_, number)| number)
    }

    /// Puts labware with its middle at `to`, turned by so many quarters counter-clockwise.
    pub fn put(&self, standing: &mut Standing, piece: u8, to: Position, quarters: u8) {
        let Some(it) = self.piece(piece) else { return };
        let before = standing.placement(piece, it).map_or(it.home.rotation, |placement| placement.rotation);
        let degrees = (before.degrees() + 360 - u32::from(quarters % 4) * 90) % 360;
        let rotation = Rotation::from_degrees(degrees).unwrap_or(before);
        let (size_x, size_y) = it.size(rotation);
        let placement = Placement {
            x_mm: f64::from(to.x) / 10.0 - size_x / 2.0,
            y_mm: f64::from(to.y) / 10.0 - size_y / 2.0,
            rotation,
        };
        let is_home =
            (placement.x_mm - it.home.x_mm).hypot(placement.y_mm - it.home.y_mm) < 1.0 && rotation == it.home.rotation;
        if is_home {
            standing.moved.remove(&piece);
        } else {
            standing.moved.insert(piece, Some(placement));
        }
    }

    /// Takes labware from the deck.
    pub fn take(&self, standing: &mut Standing, piece: u8) {
        standing.moved.insert(piece, None);
    }

    /// Another plate than before stands at this labware's place.
    pub fn replace(&self, standing: &mut Standing, piece: u8) {
        standing.moved.remove(&piece);
        standing.barcodes.remove(&piece);
        *standing.uses.entry(piece).or_default() += 1;
    }

    /// The labware that has this barcode, by the configuration or because it was read before.
    pub fn with_barcode(&self, standing: &Standing, barcode: &str) -> Option<u8> {
        let known = |number: u8, piece: &Piece| match standing.barcodes.get(&number) {
            Some(read) => read == barcode,
            None => piece.barcode.as_deref() == Some(barcode),
        };
        self.numbered().find(|(number, piece)| known(*number, piece)).map(|(number, _)| number)
    }

    /// A barcode was read for this labware.
    pub fn barcode_read(&self, standing: &mut Standing, piece: u8, barcode: &str) {
        standing.barcodes.insert(piece, barcode.chars().take(64).collect());
    }

    /// The id of the plate: the configuration's for the first plate at this place, else its barcode, else one made from device, line and place.
    pub fn plate_id(&self, standing: &Standing, piece: u8, source: &EventSource) -> Option<Arc<str>> {
        let it = self.piece(piece)?;
        let used = standing.uses.get(&piece).copied().unwrap_or_default();
        let first = used == 0;
        if let Some(id) = it.plate_id.as_ref().filter(|_| first) {
            return Some(id.clone());
        }
        if let Some(code) = standing.barcodes.get(&piece).or(it.barcode.as_ref().filter(|_| first)) {
            return Some(code.as_str().into());
        }
        let mut made = self.made.borrow_mut();
        if let Some(known) = made.get(&piece).filter(|made| made.used == used && made.epoch == standing.epoch) {
            return Some(known.id.clone());
        }
        let key = format!("{}/{used}", it.name);
        let id: Arc<str> = IdBase::new(source, &standing.epoch, "plate", &key).id(1).to_string().into();
        made.insert(piece, Made { epoch: standing.epoch.clone(), used, id: id.clone() });
        Some(id)
    }

    /// The plate as events show it.
    pub fn plate(&self, standing: &Standing, piece: u8, source: &EventSource) -> Option<Plate> {
        let it = self.piece(piece)?;
        let first = standing.uses.get(&piece).copied().unwrap_or_default() == 0;
        let typed = it.barcode.as_ref().filter(|_| first);
        let (barcode, barcode_status) = match (standing.barcodes.get(&piece), typed) {
            (Some(read), _) => (Some(read.clone()), "read"),
            (None, Some(typed)) => (Some(typed.clone()), "typed"),
            (None, None) => (None, "none"),
        };
        Some(Plate {
            id: self.plate_id(standing, piece, source)?,
            barcode,
            barcode_status,
            role: it.role_text(),
            plate_type: it.kind.name.clone(),
            rows: it.kind.rows.into(),
            columns: it.kind.columns.into(),
            lot: None,
        })
    }

    /// The place that events show for a spot.
    pub fn place(&self, standing: &Standing, spot: Spot, at: Option<Position>, source: &EventSource) -> Place {
        let (piece, well) = match spot {
            Spot::Well { piece, well } => (Some(piece), Some(well)),
            Spot::Between { piece, .. } => (Some(piece), None),
            Spot::Nowhere => (None, None),
        };
        let holds_liquid = piece.and_then(|piece| self.piece(piece)).is_some_and(Piece::is_plate);
        Place {
            plate: piece.filter(|_| holds_liquid).and_then(|piece| self.plate_id(standing, piece, source)),
            labware: piece.and_then(|piece| self.piece(piece)).map(|piece| piece.name.clone()),
            well,
            position: at.filter(|_| well.is_none()).map(millimetres),
            volume_ul: None,
            piston_volume_ul: None,
            balance_ul: None,
        }
    }

    /// The culture of a piece of labware, where it is a cultivation plate.
    pub fn culture(&self, standing: &Standing, piece: u8, source: &EventSource) -> Option<Culture> {
        let it = self.piece(piece).filter(|piece| piece.role == Role::Cultivation)?;
        Some(Culture {
            device: it.device.clone()?,
            run_id: None,
            plate_id: self.plate_id(standing, piece, source)?,
            cycle: None,
            elapsed_s: None,
            basis: CultureBasis::Deck,
        })
    }
}

impl Standing {
    fn placement(&self, number: u8, piece: &Piece) -> Option<Placement> {
        self.moved.get(&number).copied().unwrap_or(Some(piece.home))
    }
}

impl Piece {
    fn new(labware: &Labware, y_axis: YAxis) -> Self {
        let geometry = &labware.geometry;
        let kind = LabwareType {
            name: labware.type_name.clone(),
            rows: geometry.rows,
            columns: geometry.columns,
            pitch_mm: geometry.pitch_mm,
            a1_x_mm: geometry.a1_x_mm,
            a1_y_mm: geometry.a1_y_mm,
            length_mm: geometry.length_mm,
            width_mm: geometry.width_mm,
            tolerance_mm: geometry.tolerance_mm,
        };
        let rotation = match labware.rotation {
            Turned::None => Rotation::None,
            // The configuration counts counter-clockwise, the geometry clockwise.
            Turned::Quarter => Rotation::ThreeQuarters,
            Turned::Half => Rotation::Half,
            Turned::ThreeQuarters => Rotation::Quarter,
        };
        let mut home = Placement { x_mm: labware.x_mm, y_mm: labware.y_mm, rotation };
        let origin = Placement { x_mm: 0.0, y_mm: 0.0, rotation };
        let (_, size_y) = size(&kind, rotation);
        match labware.anchor {
            Anchor::Corner if y_axis == YAxis::ToTheFront => home.y_mm -= size_y,
            Anchor::Corner => {}
            Anchor::A01 => {
                let a01 = instrument_proto::geometry::RowColumn { row: 0, column: 0 };
                let placed = Placed { labware: &kind, placement: origin, y_axis };
                if let Some(centre) = placed.centre(a01) {
                    home.x_mm -= f64::from(centre.x) / 10.0;
                    home.y_mm -= f64::from(centre.y) / 10.0;
                }
            }
        }
        Self {
            name: labware.name.as_str().into(),
            home,
            role: labware.role,
            device: labware.cultivation_device.as_ref().map(|device| device.as_str().into()),
            well_max_ul: geometry.well_max_ul,
            plate_id: labware.plate_id.as_deref().map(Into::into),
            barcode: labware.barcode.clone(),
            kind,
        }
    }

    fn size(&self, rotation: Rotation) -> (f64, f64) {
        size(&self.kind, rotation)
    }

    /// Whether its wells hold liquid that matters.
    pub fn is_plate(&self) -> bool {
        matches!(self.role, Role::Cultivation | Role::Sample | Role::Source)
    }

    fn role_text(&self) -> &'static str {
        match self.role {
            Role::Cultivation => "cultivation",
            Role::Sample => "sample",
            Role::Source => "source",
            Role::Wash => "wash",
            Role::Waste => "waste",
            Role::Tips => "tips",
        }
    }
}

fn size(kind: &LabwareType, rotation: Rotation) -> (f64, f64) {
    match rotation {
        Rotation::None | Rotation::Half => (kind.length_mm, kind.width_mm),
        Rotation::Quarter | Rotation::ThreeQuarters => (kind.width_mm, kind.length_mm),
    }
}

/// A position in the events' unit.
pub(super) fn millimetres(at: Position) -> liquid::Position {
    liquid::Position { x_mm: f64::from(at.x) / 10.0, y_mm: f64::from(at.y) / 10.0 }
}

/// What an event about this place is about.
pub(super) fn subject(place: &Place) -> Subject {
    match (&place.plate, place.well, &place.labware) {
        (Some(plate), Some(well), _) => Subject::Well { plate: plate.clone(), well },
        (Some(text), None, _) | (None, _, Some(text)) => Subject::Other(text.clone()),
        (None, _, None) => Subject::Device,
    }
}
