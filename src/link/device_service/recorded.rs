//! A device service in recordings: what a recorded message says to the driver.

use instrument_proto::codec::capture::Direction as Way;
use instrument_proto::codec::grpc::message;
use instrument_proto::device::v1::history_read_result::History;
use instrument_proto::device::v1::variant::Value;
use instrument_proto::device::v1::{DataValue, HistoryReadResponse, NotificationMessage, ReadResponse, ServerStatus};
use prost::{DecodeError, Message};

use super::translate::{Content, Terms};
use super::{LINK, Notice};
use crate::config::grpc::GrpcSettings;
use crate::driver::service::Wanted;
use crate::event::DeviceId;
use crate::link::grpc::{Tap, shown};

/// What a recorded message says.
#[derive(Debug, Default)]
pub struct Said {
    /// Values by the driver's names of the variables: they come before the events.
    pub values: Vec<(&'static str, DataValue)>,
    /// Events.
    pub events: Vec<Notice>,
}

/// Reads recorded messages in their order.
#[derive(Debug)]
pub struct Messages {
    wanted: Wanted,
    terms: Terms,
}

/// The tap of the link of `device`, where its settings say so.
pub fn tap(settings: &GrpcSettings, device: &DeviceId) -> Option<Tap> {
    Tap::start(settings.capture.clone()?, device, LINK, describe)
}

impl Messages {
    /// Of a link of which this was wanted.
    pub fn new(wanted: Wanted) -> Self {
        Self { wanted, terms: Terms::usual(wanted) }
    }

    /// What the server's `message` for the call `method` says to the driver.
    ///
    /// # Errors
    /// When it cannot be decoded.
    pub fn read(&mut self, method: &str, message: &[u8]) -> Result<Said, DecodeError> {
        let content = match method {
            "GetServerStatus" => {
                if let Some(terms) = Terms::new(self.wanted, &ServerStatus::decode(message)?.namespaces) {
                    self.terms = terms;
                }
                Content::default()
            }
            "Publish" | "Republish" => self.terms.message(NotificationMessage::decode(message)?),
            "HistoryRead" => {
                let mut content = Content::default();
                let result = HistoryReadResponse::decode(message)?.results.into_iter().next();
                if let Some(History::Events(events)) = result.and_then(|result| result.history) {
                    events.events.into_iter().for_each(|event| self.terms.event(event, &mut content));
                }
                content
            }
            "Read" => {
                Content { values: self.terms.named(ReadResponse::decode(message)?.results), ..Content::default() }
            }
            _ => Content::default(),
        };
        Ok(Said { values: content.values, events: content.events })
    }
}

/// A message in words, short enough for a line.
pub fn describe(source: &str, way: Way, piece: &[u8]) -> Option<String> {
    let (method, message) = (source.split_once('/')?.1, message(piece)?);
    match (method, way) {
        ("Publish" | "Republish", Way::FromInstrument) => {
            let message = NotificationMessage::decode(message).ok()?;
            let texts = message.events.iter().filter_map(|event| {
                // The message for people: the seventh of the fields that every event is asked for.
                match event.event.as_ref()?.fields.get(6)?.value.as_ref()? {
                    Value::LocalizedText(text) => Some(text.text.as_str()),
                    Value::String(text) => Some(text.as_str()),
                    _ => None,
                }
            });
            let (number, values, texts) =
                (message.sequence_number, message.data_changes.len(), texts.collect::<Vec<_>>());
            Some(shown(&format_args!("message {number}: {values} values, {} events {texts:?}", message.events.len())))
        }
        ("GetServerStatus", Way::FromInstrument) => Some(shown(&ServerStatus::decode(message).ok()?)),
        _ => None,
    }
}
