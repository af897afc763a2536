//! A RoboLector's robot on a pseudo-terminal, in either of its languages.
//!
//! As a **tap** would see it: the control software executes a sampling plan and the robot answers, both on one line or on two. As a **host**
//! would: the line is the robot alone, which answers what it is asked. What was really done is told apart from the wire, so that whoever listens can be
//! compared with the truth.

mod batch;
mod deck;
mod fault;
mod host;
mod line;
mod mangle;
mod performer;
mod plan;
mod player;
mod recording;
mod settings;
mod star;
mod tecan;
mod truth;
mod voice;
mod work;

pub use deck::{Deck, Piece, Place, Role};
pub use fault::{Fault, Faults, UnknownFault};
pub use line::{Carried, Line, LineError};
pub use plan::{Access, Action, Plan, Transfer};
pub use player::Robolector;
pub use recording::{Opening, Recording, Said};
pub use settings::{Ports, Settings};
pub use truth::{Spot, Truth, What};
pub use voice::{Dialect, Side};
pub use work::RobotError;
