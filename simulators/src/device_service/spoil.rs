//! Bytes that are no message.

use http_body_util::BodyExt as _;
use tonic::body::Body;
use tonic::codegen::{Bytes, http};

use super::fault::Switches;
use super::service::Shared;
use std::sync::Arc;

/// What stands before each message: whether it is compressed, and its length.
const PREFIX: usize = 5;

/// Spoils the first message in a piece of a response, where a switch says so.
pub(super) fn spoil(response: http::Response<Body>, shared: &Arc<Shared>) -> http::Response<Body> {
    let shared = shared.clone();
    response.map(|body| {
        Body::new(body.map_frame(move |frame| {
            frame.map_data(|bytes: Bytes| {
                if bytes.len() > PREFIX && Switches::takes(&shared.switches.malformed_messages) {
                    let mut spoilt = bytes.to_vec();
                    // A tag with a wire type that does not exist.
                    spoilt[PREFIX] = 0xFF;
                    return Bytes::from(spoilt);
                }
                bytes
            })
        }))
    })
}
