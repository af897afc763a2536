//! What a robot is, and how it is played.

use std::path::PathBuf;

use super::deck::Deck;
use super::fault::Faults;
use super::plan::Plan;
use super::voice::Dialect;
use crate::pace::Pace;

/// The lines on which the robot is heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ports {
    /// Both sides on one.
    One(PathBuf),
    /// A tap with a port for each side.
    Two {
        /// The control software.
        commands: PathBuf,
        /// The robot.
        replies: PathBuf,
    },
}

/// A robot.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its language.
    pub dialect: Dialect,
    /// Channels or tips, 1 to 16.
    pub channels: u8,
    /// What stands on its deck.
    pub deck: Deck,
    /// What it does; nothing in host mode.
    pub plan: Plan,
    /// What goes wrong.
    pub faults: Faults,
    /// The seed of everything random.
    pub seed: u64,
    /// How fast its time runs.
    pub pace: Pace,
    /// Where it is heard.
    pub ports: Ports,
    /// Whether the line is the robot alone, which answers a host.
    pub host: bool,
    /// Whether it waits while nobody has the line open. A real one does not, and what it says then is lost.
    pub wait_for_reader: bool,
    /// Whether it goes on after the plan, for what [`super::Robolector::ask`] asks for.
    pub stay: bool,
    /// Where the truth is written, one JSON object on a line.
    pub truth: Option<PathBuf>,
}

impl Settings {
    /// A robot with eight channels and the standard deck, that does nothing yet.
    pub fn new(dialect: Dialect, ports: Ports) -> Self {
        Self {
            channels: 8,
            deck: Deck::standard(dialect.y_axis()),
            dialect,
            plan: Plan::default(),
            faults: Faults::default(),
            seed: 1,
            pace: Pace::Times(1.0),
            ports,
            host: false,
            wait_for_reader: true,
            stay: false,
            truth: None,
        }
    }
}
