//! The interface in recordings: what a recorded message is.

use std::fmt::Debug;

use instrument_proto::biolector_xt as wire;
use instrument_proto::codec::capture::Direction as Way;
use instrument_proto::codec::grpc::message;
use prost::{DecodeError, Message};

use super::{Piece, XtEvent, download};
use crate::config::grpc::GrpcSettings;
use crate::driver::SourceName;
use crate::driver::biolector_xt::GRPC;
use crate::event::DeviceId;
use crate::link::grpc::{Tap, shown};

pub use super::outlet::DOWNLOAD;

/// A recorded message of the instrument.
#[derive(Debug)]
pub enum Recorded {
    /// What the link makes of it.
    Said(XtEvent),
    /// The next bytes of an experiment's file.
    Chunk(Vec<u8>),
    /// Nothing that concerns the driver.
    Other,
}

/// The tap of the link of `device`, where its settings say so.
pub fn tap(settings: &GrpcSettings, device: &DeviceId) -> Option<Tap> {
    Tap::start(settings.capture.clone()?, device, GRPC, describe)
}

/// What the instrument's `message` for the call `method` is.
///
/// # Errors
/// When it cannot be decoded.
pub fn read(method: &str, message: &[u8]) -> Result<Recorded, DecodeError> {
    fn said<M: Message + Default + Into<XtEvent>>(message: &[u8]) -> Result<Recorded, DecodeError> {
        Ok(Recorded::Said(M::decode(message)?.into()))
    }
    match method {
        "StatusUpdateStream" => {
            let update = wire::StatusUpdateStreamResponse::decode(message)?.update;
            Ok(update.map_or(Recorded::Other, |update| Recorded::Said(XtEvent::Heard(update))))
        }
        "GetProtocols" => said::<wire::GetProtocolsResponse>(message),
        "GetExperimentList" => said::<wire::GetExperimentListResponse>(message),
        "GetCurrentProgress" => said::<wire::GetCurrentProgressResponse>(message),
        "GetCultivationValues" => said::<wire::GetCultivationValuesResponse>(message),
        "GetCoverState" => said::<wire::GetCoverStateResponse>(message),
        "GetTemperatureControlStatus" => said::<wire::GetTemperatureControlStatusResponse>(message),
        "GetShakerControlStatus" => said::<wire::GetShakerControlStatusResponse>(message),
        DOWNLOAD => match wire::FileChunk::decode(message)?.content {
            Some(wire::file_chunk::Content::ChunkData(bytes)) => Ok(Recorded::Chunk(bytes)),
            _ => Ok(Recorded::Other),
        },
        _ => Ok(Recorded::Other),
    }
}

/// The experiment that a download was asked for.
pub fn asked_for(message: &[u8]) -> Option<String> {
    String::decode(message).ok()
}

/// Reads an experiment's file as the link does; the pieces go to `give`. What it is called in events comes with each.
///
/// # Errors
/// Why there is nothing to read.
pub fn read_file(
    bytes: &[u8],
    experiment: &str,
    is_finished: bool,
    give: &mut dyn FnMut(&SourceName, Piece),
) -> Result<(), String> {
    download::read_recorded(bytes, experiment, is_finished, give)
}

/// A message in words, short enough for a line.
pub fn describe(source: &str, way: Way, piece: &[u8]) -> Option<String> {
    fn decoded<M: Message + Default + Debug>(message: &[u8]) -> Option<String> {
        Some(shown(&M::decode(message).ok()?))
    }
    let (method, message) = (source.split_once('/')?.1, message(piece)?);
    if way == Way::ToInstrument {
        return None;
    }
    match method {
        "StatusUpdateStream" => Some(shown(&wire::StatusUpdateStreamResponse::decode(message).ok()?.update?)),
        "GetProtocols" => decoded::<wire::GetProtocolsResponse>(message),
        "GetExperimentList" => decoded::<wire::GetExperimentListResponse>(message),
        "GetCurrentProgress" => decoded::<wire::GetCurrentProgressResponse>(message),
        "GetCultivationValues" => decoded::<wire::GetCultivationValuesResponse>(message),
        "GetCoverState" => decoded::<wire::GetCoverStateResponse>(message),
        "GetTemperatureControlStatus" => decoded::<wire::GetTemperatureControlStatusResponse>(message),
        "GetShakerControlStatus" => decoded::<wire::GetShakerControlStatusResponse>(message),
        _ => None,
    }
}
