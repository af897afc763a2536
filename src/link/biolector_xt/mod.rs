//! The remote interface of a BioLector XT: follows its status stream, asks what the stream does not say, fetches experiments.
//!
//! One task connects, and connects again for ever. While it is connected it reads the stream without a deadline (HTTP/2's
//! own keep-alive finds a dead peer, and a stream that is silent although the run goes on is opened anew), and asks with
//! deadlines. What comes waits in a bounded channel; when that is full the stream waits, and with it the instrument's
//! server. Nothing here can start, stop, open or set anything: the client has no code for it. What the configuration lets subscribers
//! ask for is carried out as an order ([`XtLink::order`]).

mod download;
mod order;
mod outlet;
pub mod recorded;
mod session;
mod translate;

use std::sync::Arc;
use std::time::Duration;

use instrument_proto::biolector_xt::status_update_stream_response::Update;
use instrument_proto::biolector_xt::{
    CoverState, CultivationValuesItem, ExperimentInfo, GetCurrentProgressResponse, GetShakerControlStatusResponse,
    GetTemperatureControlStatusResponse, ProtocolInfo,
};
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::command::Call;
use crate::config::settings::GrpcSettings;
use crate::driver::biolector_xt::Ask;
use crate::driver::{FileInput, SourceKind, SourceName};
use crate::link::grpc::{Failure, Kind, Tap, Waits, connect_with};
use crate::profile::LiveProfile;
use outlet::{Gone, Outlet};
use session::Session;

/// What waits between the stream and the actor.
const WAITING: usize = 4096;

/// Questions of the driver that wait.
const ASKS: usize = 64;

use order::Order;
pub use order::Pending;

/// Orders that wait; the actor gives one at a time.
const ORDERS: usize = 4;

/// What the link says.
#[derive(Debug)]
pub enum XtEvent {
    /// The instrument answers; all else belongs to this opening.
    Opened {
        /// Where.
        place: String,
        /// Names the opening.
        epoch: String,
    },
    /// The stream ended, or the connection.
    Closed {
        /// Where.
        place: String,
        /// Why.
        reason: String,
        /// What to do about it.
        remedy: Option<String>,
    },
    /// The instrument cannot be reached.
    Unreachable {
        /// Where.
        place: String,
        /// Why.
        reason: String,
        /// What to do about it.
        remedy: Option<String>,
    },
    /// Something came that cannot be used; the daemon goes on.
    Faulted {
        /// Which call or what of it.
        what: &'static str,
        /// What came, from whom.
        text: String,
        /// What to do about it.
        remedy: Option<String>,
    },
    /// What was faulted works.
    Recovered {
        /// Which call.
        what: &'static str,
    },
    /// What an item of the stream says.
    Heard(Update),
    /// How far the run is.
    Progress(GetCurrentProgressResponse),
    /// The experiments.
    Experiments(Vec<ExperimentInfo>),
    /// The protocols.
    Protocols(Vec<ProtocolInfo>),
    /// Current values.
    Values(Vec<CultivationValuesItem>),
    /// The cover.
    Cover(CoverState),
    /// Temperature control.
    Temperature(GetTemperatureControlStatusResponse),
    /// Shaker control.
    Shaker(GetShakerControlStatusResponse),
    /// A piece of an experiment's file.
    File {
        /// The source that it is.
        source: SourceName,
        /// The piece.
        piece: Piece,
    },
    /// A download is over.
    Downloaded {
        /// The experiment, as it was asked for.
        experiment: String,
        /// Why there was nothing to read.
        outcome: Result<(), String>,
    },
}

/// What the link says, and when it came.
#[derive(Debug)]
pub struct Told {
    /// When, to the microsecond.
    pub at: Timestamp,
    /// What.
    pub event: XtEvent,
}

/// A piece of an experiment's file, as a file driver takes it.
#[derive(Debug)]
pub enum Piece {
    /// It is read from its start.
    Opened,
    /// A whole small member.
    Member {
        /// Its file name.
        name: String,
        /// Its content.
        bytes: Vec<u8>,
    },
    /// The next bytes of the table.
    Bytes {
        /// Where they begin.
        offset: u64,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// The table of a finished experiment was read to its end.
    Ended,
    /// There is nothing more to read of it.
    Gone,
}

impl Piece {
    /// It, for a file driver.
    pub fn input(&self) -> FileInput<'_> {
        match self {
            Self::Opened => FileInput::Opened { kind: SourceKind::Export, snapshot: &[] },
            Self::Member { name, bytes } => FileInput::Member { name, bytes },
            Self::Bytes { offset, bytes } => FileInput::Bytes { offset: *offset, bytes },
            Self::Ended => FileInput::Ended,
            Self::Gone => FileInput::Gone,
        }
    }
}

/// What the link needs to know.
#[derive(Debug, Clone)]
pub struct Start {
    /// Where the interface is.
    pub settings: GrpcSettings,
    /// How it is asked.
    pub live: LiveProfile,
    /// What records all that passes.
    pub tap: Option<Tap>,
}

/// The link, as its actor holds it.
#[derive(Debug)]
pub struct XtLink {
    asks: mpsc::Sender<Ask>,
    orders: mpsc::Sender<Order>,
    stop: CancellationToken,
}

impl XtLink {
    /// Asks the instrument; while it cannot be reached nobody asks: whoever wants to know asks again at the next opening.
    pub fn ask(&self, ask: Ask) {
        if self.asks.try_send(ask).is_err() {
            tracing::debug!("A question was dropped: too many wait.");
        }
    }

    /// Has the instrument do something.
    pub fn order(&self, call: Call) -> Pending {
        let (order, pending) = order::order(call);
        // One that finds no room is dropped, which its giver hears as not asked.
        let _ = self.orders.try_send(order);
        pending
    }

    /// Stops it.
    pub fn stop(&self) {
        self.stop.cancel();
    }
}

/// Starts the link.
pub fn spawn(start: Start) -> (XtLink, mpsc::Receiver<Told>) {
    let (events, receiver) = mpsc::channel(WAITING);
    let (asks, questions) = mpsc::channel(ASKS);
    let (orders, given) = mpsc::channel(ORDERS);
    let stop = CancellationToken::new();
    let outlet = Outlet::new(events, stop.clone(), start.tap.clone());
    tokio::spawn(async move {
        let stop = outlet.stop.clone();
        stop.run_until_cancelled(follow(start, questions, given, outlet)).await;
    });
    (XtLink { asks, orders, stop }, receiver)
}

async fn follow(start: Start, mut asks: mpsc::Receiver<Ask>, mut orders: mpsc::Receiver<Order>, outlet: Outlet) {
    let place: Arc<str> = start.settings.endpoint().into();
    let mut waits = Waits::default();
    let mut memory = session::Memory::default();
    loop {
        let failure = match connect_with(&start.settings, start.tap.as_ref()).await {
            Err(failure) => failure,
            Ok(connection) => {
                // Questions of an opening that is over mean nothing in the next.
                while asks.try_recv().is_ok() {}
                let session = Session::new(connection, start.live, outlet.clone());
                match session.run(&mut asks, &mut orders, &mut memory, &mut waits).await {
                    Err(Gone) => return,
                    Ok(ended) => {
                        if ended.was_open {
                            let Failure { reason, remedy, .. } = ended.failure;
                            let closed = XtEvent::Closed { place: place.to_string(), reason, remedy: Some(remedy) };
                            if outlet.send(closed).await.is_err() {
                                return;
                            }
                            tokio::time::sleep(waits.next_wait()).await;
                            continue;
                        }
                        ended.failure
                    }
                }
            }
        };
        let is_strange = matches!(failure.kind, Kind::Malformed | Kind::TooLarge);
        tracing::debug!(%place, reason = %failure.reason, is_strange, "The remote interface cannot be followed.");
        let Failure { reason, remedy, .. } = failure;
        let unreachable = XtEvent::Unreachable { place: place.to_string(), reason, remedy: Some(remedy) };
        if outlet.send(unreachable).await.is_err() {
            return;
        }
        tokio::time::sleep(waits.next_wait()).await;
    }
}

/// How long a stream may be silent while the run goes on.
const SILENT: Duration = Duration::from_secs(60);
