mod plans;
mod ports;
mod recordings;
mod sessions;
mod traces;

use std::time::Duration;

use super::*;

/// How long something that is promised may take on a busy machine.
const SOON: Duration = Duration::from_secs(30);

/// What the link says next.
async fn next(inlet: &mut Inlet) -> StreamEvent {
    tokio::time::timeout(SOON, inlet.next()).await.expect("nothing was said").expect("the link ended")
}

/// The bytes of an event, without their times.
fn text(event: &StreamEvent) -> String {
    let StreamEvent::Bytes { pieces, .. } = event else { panic!("no bytes: {event:?}") };
    pieces.iter().map(|piece| String::from_utf8_lossy(&piece.bytes).into_owned()).collect()
}

/// The epoch of the opening that is said next.
async fn opened(inlet: &mut Inlet) -> String {
    match next(inlet).await {
        StreamEvent::Opened { epoch, .. } => epoch,
        other => panic!("no opening: {other:?}"),
    }
}

/// Everything that is read until `length` bytes have come.
async fn bytes(inlet: &mut Inlet, length: usize) -> String {
    let mut read = String::new();
    while read.len() < length {
        read.push_str(&text(&next(inlet).await));
    }
    read
}
