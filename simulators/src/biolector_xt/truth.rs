//! What the instrument really did: what tests hold a client against.

/// A request for an experiment's file that was answered or refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Download {
    /// The experiment, as it was asked for.
    pub experiment: String,
    /// Whether it was still running.
    pub is_running: bool,
    /// Whether the cover was on its way.
    pub cover_moves: bool,
}

/// A reading that was made, whether or not anybody was told of it.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Made {
    /// The experiment's identifier, without braces.
    pub experiment: String,
    /// The cycle, from 1.
    pub cycle: u32,
    /// The filter set, from 1, whatever the stream counts from.
    pub filterset: u32,
    /// The channel's name.
    pub channel: String,
    /// The well's label.
    pub well: String,
    /// Seconds since the experiment's start, as the stream says it.
    pub elapsed_s: u64,
    /// The value as it is printed: calibrated or referenced; `None` where the detector saturated.
    pub value: Option<f64>,
}
