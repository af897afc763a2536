//! What the robot is to do.

use instrument_proto::geometry::Placement;

use super::deck::Place;

/// Liquid from one well into another.
#[derive(Debug, Clone, PartialEq)]
pub struct Transfer {
    /// From where.
    pub source: Place,
    /// To where; the source itself means mixing.
    pub destination: Place,
    /// Microlitres of liquid; the wire carries what the liquid class makes of it.
    pub volume_ul: f64,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Transfers with fresh tips, as many at once as channels and geometry allow.
    Transfer(Vec<Transfer>),
    /// The 96-channel head takes this much from every well of one plate into another of the same kind (STAR only).
    Stamp {
        /// The labware from which it takes.
        source: String,
        /// The labware into which it gives.
        destination: String,
        /// Microlitres from each well.
        volume_ul: f64,
    },
    /// The gripper takes labware to another place.
    Move {
        /// Which.
        labware: String,
        /// Where to.
        to: Placement,
    },
}

/// What the robot does in one access to the plate.
#[derive(Debug, Clone, PartialEq)]
pub struct Access {
    /// When it begins, in the robot's seconds since its start; at once where that has passed.
    pub at_s: f64,
    /// One after the other.
    pub actions: Vec<Action>,
}

/// What is known at the start; more can be asked for while it runs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    /// In the order of their times.
    pub accesses: Vec<Access>,
}

impl Plan {
    /// Samples these wells of `cultures` into the next free wells of `samples`, down its columns, and again after every `every_s` seconds.
    pub fn sampling(wells: &[Place], samples: &super::deck::Piece, volume_ul: f64, times: u32, every_s: f64) -> Self {
        let rows = usize::from(samples.kind.rows.max(1));
        let room = rows * usize::from(samples.kind.columns);
        let mut free = (0..room).map(|index| Place::new(&samples.name, (index % rows) as u8, (index / rows) as u8));
        let accesses = (0..times)
            .map(|number| {
                let transfers = wells
                    .iter()
                    .zip(&mut free)
                    .map(|(source, destination)| Transfer { source: source.clone(), destination, volume_ul })
                    .collect();
                Access { at_s: f64::from(number) * every_s, actions: vec![Action::Transfer(transfers)] }
            })
            .collect();
        Self { accesses }
    }
}
