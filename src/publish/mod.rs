//! The publisher: rows of the journal to an MQTT 5 broker. The only user of rumqttc.
//!
//! One publisher for each broker. Each TCP connection has an event loop of its own and nothing of it outlives the
//! connection: what was not acknowledged is read from the journal again and never taken from the client library, which
//! forgets or mixes up messages in several ways when a connection is lost. A row is settled only by the reason code of
//! its own acknowledgement.
//!
//! ```text
//! publisher   connects, waits, tries again; stands by while another instance publishes
//! ├ connect   options of one connection: credentials, TLS, session, will
//! ├ opening   CONNACK's limits, who else publishes for our devices, the request topic
//! ├ session   the loop: takes acknowledgements, ends cleanly; fill: hands messages over, reads ahead
//! └ wire      the connection: rumqttc's packets, written in bunches
//!   ├ window    which message an acknowledgement is for      (pure)
//!   ├ rows      whose turn it is; cursor: one device's rows  (pure)
//!   ├ retained  which retained topics are due                (pure)
//!   ├ replay    requests for rows once more                  (pure)
//!   ├ commands  requests to instruments, handed to their devices, and the answers
//!   └ reason, limits, claim: what the broker's answers mean  (pure)
//! ```

mod backoff;
mod claim;
mod commands;
mod connect;
mod context;
mod cursor;
mod end;
mod fill;
mod limits;
mod opening;
mod outbox;
mod publisher;
mod reason;
mod replay;
mod retained;
mod rows;
mod session;
mod status;
mod window;
mod wire;

use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::command::Exchange;
use crate::config::settings::BrokerSettings;
use crate::event::{NodeId, SiteId};

pub use outbox::{Extent, Outbox, Row};
pub use status::{BrokerStatus, Held, Phase, Problem};

/// By which name log filters know the client library.
pub const CLIENT_LIBRARY: &str = "rumqttc";

/// A retained message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retained {
    /// The topic below root and site, `devices/x/state` for instance.
    pub topic: String,
    /// The content, JSON.
    pub payload: Vec<u8>,
}

/// Which version there is of a retained topic. What it says is only made when it is published: with hundreds of devices most
/// of it says the same as before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// The topic below root and site.
    pub topic: Arc<str>,
    /// Another number whenever it says something else.
    pub version: u64,
    /// Whether it expires at the broker unless it is refreshed.
    pub expires: bool,
}

/// What the daemon says of itself and its devices.
pub trait Standing: Send + Sync {
    /// The topics of the devices' states and infos and of the node's state, `online`.
    fn topics(&self) -> Vec<Topic>;
    /// What one of [`Standing::topics`] says now; `None` for any other.
    fn content(&self, topic: &str) -> Option<Vec<u8>>;
    /// The node's state, `offline`: the last will.
    fn will(&self) -> Retained;
    /// The node's state, `stopped`: published last of all.
    fn stopped(&self) -> Retained;
    /// Changes whenever [`Standing::topics`] may say something else.
    fn changed(&self) -> watch::Receiver<u64>;
    /// Where commands go and their answers come from.
    fn commands(&self) -> Arc<Exchange>;
    /// Told how a broker is, whenever that changes.
    fn broker(&self, name: &Arc<str>, status: BrokerStatus);
}

/// Starts publishing to one broker, until `stop` is cancelled; the task ends within 4 s of that.
pub fn spawn(
    settings: BrokerSettings,
    site: SiteId,
    node: NodeId,
    outbox: Arc<dyn Outbox>,
    standing: Arc<dyn Standing>,
    stop: CancellationToken,
) -> JoinHandle<()> {
    let context = context::Context::new(settings, &site, node, outbox, standing, stop);
    let (held, dropped) = tokio::sync::oneshot::channel::<()>();
    let (done, ended) = tokio::sync::oneshot::channel::<()>();
    // A runtime of its own, on one thread: a connection is one long conversation, and handing it from worker to worker costs
    // more than what it does in between.
    let work = move || match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(async {
            tokio::select! {
                () = publisher::supervise(context) => drop(done),
                _ = dropped => {}
            }
        }),
        Err(error) => tracing::error!(%error, "The publisher's runtime cannot be started."),
    };
    if let Err(error) = std::thread::Builder::new().name("publisher".to_owned()).spawn(work) {
        tracing::error!(%error, "The publisher's thread cannot be started.");
    }
    // Who aborts this task ends the thread with it, in the middle of whatever it does.
    tokio::spawn(async move {
        let _held = held;
        let _ = ended.await;
    })
}
