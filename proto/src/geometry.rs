//! Where the wells of labware are on a robot's deck: positions to wells and back.
//!
//! All of it is plain geometry of rectangles, shared by what reads a robot's coordinates and by what simulates one. Sizes are given in
//! millimetres, as drawings and configurations do; positions are whole tenths of a millimetre, as both robots' wires do.
//!
//! **Labware**, unrotated, is seen from above with well A01 at the back left: columns go on to the right, rows towards the operator. Offsets
//! to A01's centre are taken from the left and from the *back* edge, as labware drawings give them.
//!
//! **A placement** says where the labware's occupied rectangle begins: its corner with the smallest x and the smallest y *on the robot's own
//! axes*, after the rotation. Rotation is clockwise as seen from above: at 90° A01 stands at the back right, at 180° at the front right.
//!
//! **Axes** differ: on a Hamilton y grows away from the operator, on a Tecan towards the operator.

use serde::{Deserialize, Serialize};

/// Tenths of a millimetre.
pub type TenthMm = i32;

/// Which way a robot's y axis grows; x grows to the right on both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum YAxis {
    /// Away from the operator, as on a Hamilton STAR.
    ToTheBack,
    /// Towards the operator, as on a Tecan Genesis or EVO.
    ToTheFront,
}

/// How labware is turned, clockwise as seen from above.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Rotation {
    /// A01 at the back left.
    #[default]
    None,
    /// 90°: A01 at the back right.
    Quarter,
    /// 180°: A01 at the front right.
    Half,
    /// 270°: A01 at the front left.
    ThreeQuarters,
}

impl Rotation {
    /// The rotation of so many degrees clockwise; `None` unless it is 0, 90, 180 or 270.
    pub fn from_degrees(degrees: u32) -> Option<Self> {
        match degrees {
            0 => Some(Self::None),
            90 => Some(Self::Quarter),
            180 => Some(Self::Half),
            270 => Some(Self::ThreeQuarters),
            _ => None,
        }
    }

    /// Degrees clockwise.
    pub fn degrees(self) -> u32 {
        match self {
            Self::None => 0,
            Self::Quarter => 90,
            Self::Half => 180,
            Self::ThreeQuarters => 270,
        }
    }
}

/// What is true of a kind of labware. Millimetres throughout.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LabwareType {
    /// Its name, for example `flowerplate-48`.
    pub name: String,
    /// Rows of wells, 1 to 32.
    pub rows: u8,
    /// Columns of wells, 1 to 48.
    pub columns: u8,
    /// From one well's centre to the next one's, along rows and along columns alike.
    pub pitch_mm: f64,
    /// From the left edge to the centre of A01.
    pub a1_x_mm: f64,
    /// From the back edge to the centre of A01.
    pub a1_y_mm: f64,
    /// Size along a row, unrotated.
    pub length_mm: f64,
    /// Size along a column, unrotated.
    pub width_mm: f64,
    /// How far from a well's centre a tip is still in that well. Labware of one well takes any position on it: a trough or a waste has no
    /// centre that anybody aims at.
    pub tolerance_mm: f64,
}

/// The footprint that microplates share (ANSI SLAS 1-2004).
pub const PLATE_LENGTH_MM: f64 = 127.76;
/// See [`PLATE_LENGTH_MM`].
pub const PLATE_WIDTH_MM: f64 = 85.48;

impl LabwareType {
    /// The 48-well FlowerPlate of a BioLector: 6 rows of 8, pitch 13 mm.
    pub fn flowerplate_48() -> Self {
        Self::plate("flowerplate-48", 6, 8, 13.0, 4.5)
    }

    /// A 96-well plate, deep or shallow: 8 rows of 12, pitch 9 mm.
    pub fn plate_96() -> Self {
        Self::plate("plate-96", 8, 12, 9.0, 3.0)
    }

    /// A 384-well plate: 16 rows of 24, pitch 4.5 mm.
    pub fn plate_384() -> Self {
        Self::plate("plate-384", 16, 24, 4.5, 1.5)
    }

    /// A rack of 96 tips.
    pub fn tip_rack_96() -> Self {
        Self::plate("tips-96", 8, 12, 9.0, 2.0)
    }

    /// A trough or waste that covers a plate's footprint: one well.
    pub fn trough() -> Self {
        Self { name: "trough".into(), ..Self::plate("trough", 1, 1, 0.0, PLATE_WIDTH_MM / 2.0) }
    }

    /// A plate whose wells are centred on the common footprint.
    fn plate(name: &str, rows: u8, columns: u8, pitch_mm: f64, tolerance_mm: f64) -> Self {
        let margin = |size: f64, wells: u8| (size - pitch_mm * f64::from(wells.saturating_sub(1))) / 2.0;
        Self {
            name: name.into(),
            rows,
            columns,
            pitch_mm,
            a1_x_mm: margin(PLATE_LENGTH_MM, columns),
            a1_y_mm: margin(PLATE_WIDTH_MM, rows),
            length_mm: PLATE_LENGTH_MM,
            width_mm: PLATE_WIDTH_MM,
            tolerance_mm,
        }
    }
}

/// Where labware stands: the corner of its rectangle with the smallest x and y on the robot's axes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Placement {
    /// Millimetres on the robot's x axis.
    pub x_mm: f64,
    /// Millimetres on the robot's y axis.
    pub y_mm: f64,
    /// How it is turned.
    pub rotation: Rotation,
}

/// A position on the deck in tenths of a millimetre.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Position {
    /// On the robot's x axis.
    pub x: TenthMm,
    /// On the robot's y axis.
    pub y: TenthMm,
}

/// Row and column of a well, both counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RowColumn {
    /// 0 is row A.
    pub row: u8,
    /// 0 is column 1.
    pub column: u8,
}

/// What a position hits on one labware.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Hit {
    /// A well; how far its centre is away.
    Well(RowColumn, f64),
    /// The labware, but no well: the nearest one, and how far its centre is away.
    Between(RowColumn, f64),
    /// Not this labware.
    Outside,
}

/// Labware that stands somewhere.
#[derive(Debug, Clone, PartialEq)]
pub struct Placed<'a> {
    /// What it is.
    pub labware: &'a LabwareType,
    /// Where it stands.
    pub placement: Placement,
    /// The robot's axes.
    pub y_axis: YAxis,
}

impl Placed<'_> {
    /// The centre of a well, rounded to tenths of a millimetre; `None` where the labware has no such well.
    pub fn centre(&self, well: RowColumn) -> Option<Position> {
        let labware = self.labware;
        if well.row >= labware.rows || well.column >= labware.columns {
            return None;
        }
        let right = labware.a1_x_mm + labware.pitch_mm * f64::from(well.column);
        let forward = labware.a1_y_mm + labware.pitch_mm * f64::from(well.row);
        let (length, width) = (labware.length_mm, labware.width_mm);
        // From the back left corner of the turned rectangle.
        let (right, forward) = match self.placement.rotation {
            Rotation::None => (right, forward),
            Rotation::Quarter => (width - forward, right),
            Rotation::Half => (length - right, width - forward),
            Rotation::ThreeQuarters => (forward, length - right),
        };
        let y = match self.y_axis {
            YAxis::ToTheBack => self.placement.y_mm + self.size().1 - forward,
            YAxis::ToTheFront => self.placement.y_mm + forward,
        };
        Some(Position { x: tenths(self.placement.x_mm + right), y: tenths(y) })
    }

    /// What a position hits.
    pub fn hit(&self, position: Position) -> Hit {
        let labware = self.labware;
        let x = f64::from(position.x) / 10.0 - self.placement.x_mm;
        let y = f64::from(position.y) / 10.0 - self.placement.y_mm;
        let (size_x, size_y) = self.size();
        // Half a tenth: what the rounding of the wire can add.
        let edge = 0.05;
        if x < -edge || y < -edge || x > size_x + edge || y > size_y + edge || labware.rows == 0 || labware.columns == 0
        {
            return Hit::Outside;
        }
        let forward = match self.y_axis {
            YAxis::ToTheBack => size_y - y,
            YAxis::ToTheFront => y,
        };
        let (right, forward) = match self.placement.rotation {
            Rotation::None => (x, forward),
            Rotation::Quarter => (forward, labware.width_mm - x),
            Rotation::Half => (labware.length_mm - x, labware.width_mm - forward),
            Rotation::ThreeQuarters => (labware.length_mm - forward, x),
        };
        let nearest = |offset: f64, count: u8| {
            let steps = if labware.pitch_mm > 0.0 { (offset / labware.pitch_mm).round() } else { 0.0 };
            // In range by the clamp.
            let index = steps.clamp(0.0, f64::from(count - 1)) as u8;
            (index, offset - f64::from(index) * labware.pitch_mm)
        };
        let (column, off_x) = nearest(right - labware.a1_x_mm, labware.columns);
        let (row, off_y) = nearest(forward - labware.a1_y_mm, labware.rows);
        let well = RowColumn { row, column };
        let away = off_x.hypot(off_y);
        // The wire rounds each axis by up to half a tenth.
        if (labware.rows == 1 && labware.columns == 1) || away <= labware.tolerance_mm + 0.08 {
            Hit::Well(well, away)
        } else {
            Hit::Between(well, away)
        }
    }

    /// The size of the occupied rectangle along x and y.
    fn size(&self) -> (f64, f64) {
        match self.placement.rotation {
            Rotation::None | Rotation::Half => (self.labware.length_mm, self.labware.width_mm),
            Rotation::Quarter | Rotation::ThreeQuarters => (self.labware.width_mm, self.labware.length_mm),
        }
    }
}

fn tenths(mm: f64) -> TenthMm {
    // A deck is some metres wide; what is not finite becomes 0 and hits nothing sensible.
    (mm * 10.0).round() as TenthMm
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const A01: RowColumn = RowColumn { row: 0, column: 0 };

    fn placed(labware: &LabwareType, degrees: u32, y_axis: YAxis) -> Placed<'_> {
        let rotation = Rotation::from_degrees(degrees).expect("a quarter");
        Placed { labware, placement: Placement { x_mm: 300.0, y_mm: 100.0, rotation }, y_axis }
    }

    #[test]
    fn the_common_plates_have_the_standard_offsets() {
        let plate = LabwareType::plate_96();
        assert!((plate.a1_x_mm - 14.38).abs() < 1e-9 && (plate.a1_y_mm - 11.24).abs() < 1e-9);
        let plate = LabwareType::plate_384();
        assert!((plate.a1_x_mm - 12.13).abs() < 1e-9 && (plate.a1_y_mm - 8.99).abs() < 1e-9);
    }

    #[test]
    fn a01_goes_round_the_corners_clockwise() {
        let plate = LabwareType::plate_96();
        let at = |degrees| placed(&plate, degrees, YAxis::ToTheBack).centre(A01).map(|p| (p.x, p.y));
        // 14.38 and 11.24 mm from the corner where A01 then is.
        assert_eq!(at(0), Some((3144, 1742)), "back left");
        assert_eq!(at(90), Some((3742, 2134)), "back right");
        assert_eq!(at(180), Some((4134, 1112)), "front right");
        assert_eq!(at(270), Some((3112, 1144)), "front left");
    }

    #[test]
    fn on_a_tecan_y_grows_towards_the_operator() {
        let plate = LabwareType::flowerplate_48();
        let deck = placed(&plate, 0, YAxis::ToTheFront);
        let a = deck.centre(A01).expect("a well");
        let b = deck.centre(RowColumn { row: 1, column: 0 }).expect("a well");
        assert_eq!(b.y - a.y, 130);
        let deck = placed(&plate, 0, YAxis::ToTheBack);
        let a = deck.centre(A01).expect("a well");
        let b = deck.centre(RowColumn { row: 1, column: 0 }).expect("a well");
        assert_eq!(b.y - a.y, -130);
    }

    #[test]
    fn a_position_between_wells_is_said_to_be_and_not_rounded() {
        let plate = LabwareType::flowerplate_48();
        let deck = placed(&plate, 0, YAxis::ToTheBack);
        let a = deck.centre(A01).expect("a well");
        let beside = Position { x: a.x + 60, y: a.y };
        assert!(matches!(deck.hit(beside), Hit::Between(A01, away) if (away - 6.0).abs() < 0.1));
        assert_eq!(deck.hit(Position { x: 2990, y: a.y }), Hit::Outside);
    }

    #[test]
    fn a_trough_is_one_well_all_over() {
        let trough = LabwareType::trough();
        let deck = placed(&trough, 90, YAxis::ToTheBack);
        assert!(matches!(deck.hit(Position { x: 3010, y: 2200 }), Hit::Well(A01, _)));
        assert_eq!(deck.hit(Position { x: 3010, y: 2290 }), Hit::Outside);
    }

    proptest! {
        #[test]
        fn every_well_is_found_again_however_the_labware_is_turned(
            which in 0usize..4, quarter in 0u32..4, back in any::<bool>(), row in 0u8..32, column in 0u8..48,
            off_x in -14i32..=14, off_y in -5i32..=5,
        ) {
            let types = [LabwareType::flowerplate_48(), LabwareType::plate_96(), LabwareType::plate_384(), LabwareType::tip_rack_96()];
            let labware = &types[which];
            let y_axis = if back { YAxis::ToTheBack } else { YAxis::ToTheFront };
            let deck = placed(labware, quarter * 90, y_axis);
            let well = RowColumn { row: row % labware.rows, column: column % labware.columns };
            let centre = deck.centre(well).expect("a well of it");
            let hit = deck.hit(Position { x: centre.x + off_x, y: centre.y + off_y });
            prop_assert!(matches!(hit, Hit::Well(found, _) if found == well), "{hit:?}");
        }

        #[test]
        fn no_position_panics(x in any::<i32>(), y in any::<i32>(), quarter in 0u32..4) {
            let plate = LabwareType::plate_384();
            let _ = placed(&plate, quarter * 90, YAxis::ToTheBack).hit(Position { x, y });
        }
    }
}
