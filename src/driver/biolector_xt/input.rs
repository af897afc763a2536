//! What the remote interface says, and what the driver asks of it.

use instrument_proto::biolector_xt::status_update_stream_response::Update;
use instrument_proto::biolector_xt::{
    CoverState, CultivationValuesItem, ExperimentInfo, GetCurrentProgressResponse, GetShakerControlStatusResponse,
    GetTemperatureControlStatusResponse, ProtocolInfo,
};
use jiff::Timestamp;

/// One item of the status stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard {
    /// When it came.
    pub at: Timestamp,
    /// What it says.
    pub update: Update,
}

/// What the link of a BioLector XT's remote interface says: `Opened` first, then the rest, then `Closed`, and again.
#[derive(Debug, Clone, Copy)]
pub enum XtInput<'a> {
    /// The instrument answers; what the stream says from now on comes.
    Opened {
        /// Names this opening; never used again.
        epoch: &'a str,
        /// The parts of the last committed snapshot; empty where there is none.
        snapshot: &'a [(String, Vec<u8>)],
        /// Why the opening before it ended, where the daemon was there.
        cut: Option<&'a str>,
    },
    /// What the stream said, in its order.
    Heard(&'a [Heard]),
    /// How far the run is.
    Progress(&'a GetCurrentProgressResponse),
    /// The experiments that the instrument knows.
    Experiments(&'a [ExperimentInfo]),
    /// The protocols that it knows.
    Protocols(&'a [ProtocolInfo]),
    /// The last value of each well and channel, and volumes.
    Values(&'a [CultivationValuesItem]),
    /// The cover.
    Cover(CoverState),
    /// Temperature control.
    Temperature(&'a GetTemperatureControlStatusResponse),
    /// Shaker control.
    Shaker(&'a GetShakerControlStatusResponse),
    /// The stream ended.
    Closed,
    /// A download that was asked for is over; what the file says came before.
    Downloaded {
        /// The experiment, as it was asked for.
        experiment: &'a str,
        /// Why there was nothing to read.
        outcome: Result<(), &'a str>,
    },
}

/// What the driver asks of the link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// How far the run is.
    Progress,
    /// The experiments.
    Experiments,
    /// The current values.
    Values,
    /// An experiment's file.
    Download {
        /// Its id, as the instrument writes it.
        experiment: String,
        /// Whether the instrument says that it is finished: one that runs is asked for rarely, and not while the cover moves.
        is_finished: bool,
    },
}
