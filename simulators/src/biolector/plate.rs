//! The two FlowerPlates: which wells are cultivated, in which order they are read, where the optics go for each.

use std::fmt;

/// A well, by its row (0 = A) and column (0 = 01).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Well {
    /// Row from 0, so that 0 is A.
    pub row: u8,
    /// Column from 0, so that 0 is 01.
    pub column: u8,
}

impl fmt::Display for Well {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:02}", char::from(b'A' + self.row), self.column + 1)
    }
}

/// The plate on the shaker. Both have six rows and eight columns on a pitch of 13 mm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plate {
    /// 48 cultivation wells, A01 to F08.
    Flower48,
    /// Microfluidic: 32 cultivation wells C01 to F08, fed from 16 reservoirs A01 to B08.
    Mf32,
}

/// What a filter set looks at: each kind has its own spot under the well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spot {
    /// Scattered light or fluorescence, in the middle.
    Intensity,
    /// The pH optode.
    Ph,
    /// The oxygen optode.
    Oxygen,
}

impl Plate {
    /// The rows that are cultivated.
    fn rows(self) -> std::ops::Range<u8> {
        match self {
            Plate::Flower48 => 0..6,
            Plate::Mf32 => 2..6,
        }
    }

    /// The cultivation wells in the order in which they are read: serpentine, every other row from right to left. The position in this
    /// list plus one is the Pro's three-digit well number.
    pub fn serpentine(self) -> Vec<Well> {
        let first = self.rows().start;
        self.rows()
            .flat_map(|row| {
                (0..8).map(move |step| Well {
                    row,
                    column: if (row - first).is_multiple_of(2) { step } else { 7 - step },
                })
            })
            .collect()
    }

    /// The reservoirs of a microfluidic plate, row by row; none on the other.
    pub fn reservoirs(self) -> Vec<Well> {
        match self {
            Plate::Flower48 => Vec::new(),
            Plate::Mf32 => (0..2).flat_map(|row| (0..8).map(move |column| Well { row, column })).collect(),
        }
    }

    /// The number in the content label `X<n>`: row-major among the cultivation wells, from 1.
    pub fn content_number(self, well: Well) -> u32 {
        u32::from(well.row - self.rows().start) * 8 + u32::from(well.column) + 1
    }

    /// The name by which result files call the plate.
    pub fn name(self) -> &'static str {
        match self {
            Plate::Flower48 => "MTP_48-FlowerPlate",
            Plate::Mf32 => "MTP_MF32-FlowerPlate",
        }
    }

    /// Where the optics stand for a well, in mm from the plate's corner.
    pub fn position(self, well: Well, spot: Spot) -> (f64, f64) {
        let (x, y) = match (self, spot) {
            (Plate::Flower48, Spot::Intensity) => (16.0, 9.5),
            (Plate::Flower48, Spot::Ph) => (18.5, 7.0),
            (Plate::Flower48, Spot::Oxygen) => (18.5, 12.0),
            (Plate::Mf32, Spot::Intensity) => (15.5, 36.5),
            (Plate::Mf32, Spot::Ph) => (19.5, 33.5),
            (Plate::Mf32, Spot::Oxygen) => (18.5, 38.0),
        };
        (x + 13.0 * f64::from(well.column), y + 13.0 * f64::from(well.row - self.rows().start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(plate: Plate) -> Vec<String> {
        plate.serpentine().iter().map(Well::to_string).collect()
    }

    #[test]
    fn the_48_plate_is_read_in_a_serpentine() {
        let labels = labels(Plate::Flower48);
        assert_eq!(labels.len(), 48);
        assert_eq!(labels[0], "A01");
        assert_eq!(labels[7], "A08");
        assert_eq!(labels[8], "B08");
        assert_eq!(labels[15], "B01");
        assert_eq!(labels[16], "C01");
        assert_eq!(labels[47], "F01");
    }

    #[test]
    fn the_microfluidic_plate_begins_at_c01_and_ends_at_f01() {
        let labels = labels(Plate::Mf32);
        assert_eq!(labels.len(), 32);
        assert_eq!(labels[0], "C01");
        assert_eq!(labels[8], "D08");
        assert_eq!(labels[31], "F01");
        assert_eq!(Plate::Mf32.content_number(Well { row: 3, column: 7 }), 16);
    }
}
