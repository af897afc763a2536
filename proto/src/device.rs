//! The device service (`instrumentd.device.v1.DeviceService`): its messages, a client, with the feature `server` a server,
//! and the words that both sides use.
//!
//! The definition is `proto/instrumentd/device/v1`; `docs/device-service.md` says how it is to be used.

pub mod echo_ms_plus;
mod node_id;
pub mod status;
mod value;

pub use node_id::{Identifier, NodeId, NodeIdError};
pub use status::{Severity, StatusCode};
pub use value::{
    QUEUE_OVERFLOW, attribute, built_in_type, double, label, number, text, timestamp, to_timestamp, variant,
};

/// The messages and services as they are defined.
#[allow(missing_docs, clippy::all, clippy::pedantic, clippy::unwrap_used)]
pub mod v1 {
    tonic::include_proto!("instrumentd.device.v1");
}

/// The described service, for reflection.
#[cfg(feature = "server")]
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/device_service.bin"));

/// The trailing metadata of a call that failed as a whole: its OPC UA StatusCode as eight hexadecimal digits.
pub const STATUS_METADATA: &str = "opcua-status-code";
