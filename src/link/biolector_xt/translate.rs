//! From the interface's messages to what the link says, for the link itself and for replays.

use instrument_proto::biolector_xt as wire;

use super::XtEvent;
use crate::driver::biolector_xt::XtInput;

impl From<wire::GetProtocolsResponse> for XtEvent {
    fn from(answer: wire::GetProtocolsResponse) -> Self {
        Self::Protocols(answer.protocols)
    }
}

impl From<wire::GetExperimentListResponse> for XtEvent {
    fn from(answer: wire::GetExperimentListResponse) -> Self {
        Self::Experiments(answer.experiments)
    }
}

impl From<wire::GetCurrentProgressResponse> for XtEvent {
    fn from(answer: wire::GetCurrentProgressResponse) -> Self {
        Self::Progress(answer)
    }
}

impl From<wire::GetCultivationValuesResponse> for XtEvent {
    fn from(answer: wire::GetCultivationValuesResponse) -> Self {
        Self::Values(answer.cultivations)
    }
}

impl From<wire::GetCoverStateResponse> for XtEvent {
    fn from(answer: wire::GetCoverStateResponse) -> Self {
        Self::Cover(wire::CoverState::try_from(answer.cover_state).unwrap_or(wire::CoverState::CovUnknown))
    }
}

impl From<wire::GetTemperatureControlStatusResponse> for XtEvent {
    fn from(answer: wire::GetTemperatureControlStatusResponse) -> Self {
        Self::Temperature(answer)
    }
}

impl From<wire::GetShakerControlStatusResponse> for XtEvent {
    fn from(answer: wire::GetShakerControlStatusResponse) -> Self {
        Self::Shaker(answer)
    }
}

impl XtEvent {
    /// What an answer to a question says to the driver; `None` for everything else.
    pub fn as_answer(&self) -> Option<XtInput<'_>> {
        Some(match self {
            Self::Progress(progress) => XtInput::Progress(progress),
            Self::Experiments(experiments) => XtInput::Experiments(experiments),
            Self::Protocols(protocols) => XtInput::Protocols(protocols),
            Self::Values(values) => XtInput::Values(values),
            Self::Cover(cover) => XtInput::Cover(*cover),
            Self::Temperature(status) => XtInput::Temperature(status),
            Self::Shaker(status) => XtInput::Shaker(status),
            _ => return None,
        })
    }
}
