//! What the instrument is asked to do, where the configuration allows it: a comment, a pause, going on. An order is carried out
//! once or not at all, and whoever gave it hears which.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use instrument_proto::biolector_xt::continue_protocol_response;
use tokio::sync::oneshot;
use tonic::{Code, Status};

use super::session::Client;
use crate::command::{Call, CallResult};
use crate::link::grpc::Connection;

/// How long an order waits for the connection before it is taken back.
const PATIENCE: Duration = Duration::from_secs(5);

/// An order on its way.
#[derive(Debug)]
pub(super) struct Order {
    call: Call,
    /// Set by whoever takes the order, or takes it back, first.
    taken: Arc<AtomicBool>,
    answer: oneshot::Sender<CallResult>,
}

/// What became of an order.
#[derive(Debug)]
pub struct Pending {
    taken: Arc<AtomicBool>,
    answer: oneshot::Receiver<CallResult>,
}

/// An order, and where it is heard of.
pub(super) fn order(call: Call) -> (Order, Pending) {
    let (sender, answer) = oneshot::channel();
    let taken = Arc::new(AtomicBool::new(false));
    (Order { call, taken: taken.clone(), answer: sender }, Pending { taken, answer })
}

impl Pending {
    /// Waits for the answer. An order that nobody took in time is taken back.
    pub async fn outcome(mut self) -> CallResult {
        let lost = || CallResult::Unknown("the connection was lost before the answer".to_owned());
        match tokio::time::timeout(PATIENCE, &mut self.answer).await {
            Ok(Ok(result)) => result,
            _ if !self.taken.swap(true, Ordering::AcqRel) => {
                CallResult::NotAsked("the instrument cannot be reached".to_owned())
            }
            Ok(Err(_)) => lost(),
            // It is being carried out, which has a deadline of its own.
            Err(_) => self.answer.await.unwrap_or_else(|_| lost()),
        }
    }
}

impl Order {
    /// Carries it out, unless it was taken back.
    pub async fn carry_out(self, mut client: Client, connection: Connection) {
        if self.taken.swap(true, Ordering::AcqRel) {
            return;
        }
        let result = match self.call {
            Call::AddComment(text) => client.add_comment(connection.call(text)).await.map(|_| CallResult::Done),
            Call::Pause { stop_shaker, .. } => {
                client.pause_protocol(connection.call(stop_shaker)).await.map(|_| CallResult::Done)
            }
            Call::Continue => {
                client.continue_protocol(connection.call(())).await.map(|answer| match answer.into_inner().result() {
                    continue_protocol_response::Result::Success => CallResult::Done,
                    continue_protocol_response::Result::NotPaused => CallResult::NotPaused,
                    continue_protocol_response::Result::Unknown => {
                        CallResult::Unknown("the instrument answered UNKNOWN".to_owned())
                    }
                })
            }
        };
        // Whoever gave the order is gone only when the actor is; the ledger then says `unknown`.
        let _ = self.answer.send(result.unwrap_or_else(|status| failed(&status, &connection)));
    }
}

/// Whether an error says that nothing was done.
fn failed(status: &Status, connection: &Connection) -> CallResult {
    let text = connection.failure(status).reason;
    match status.code() {
        Code::InvalidArgument
        | Code::FailedPrecondition
        | Code::Unimplemented
        | Code::PermissionDenied
        | Code::Unauthenticated
        | Code::ResourceExhausted
        | Code::NotFound => CallResult::Refused(text),
        _ => CallResult::Unknown(text),
    }
}
