//! The life of a link: connected, heard until the connection is lost, connected again; for ever.

use std::time::Duration;

use instrument_proto::device::v1::{CreateSubscriptionResponse, StatusChange};
use instrument_proto::device::{Severity, StatusCode};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::asking::{Heard, Server, client, opc_status, status};
use super::following::{Following, Stop, Tell as _};
use super::outlet::Outlet;
use super::position::Position;
use super::translate::Terms;
use super::{Gone, Notified, ServiceEvent, Start, Told, Way};
use crate::config::grpc::GrpcSettings;
use crate::driver::service::Wanted;
use crate::link::grpc::{Connection, Failure, Waits, connect_with};

/// Messages are acknowledged together: until then they only wait in the server's retransmission queue. So many of them are within the shorter
/// time, fewer within the longer one.
const MANY: u32 = 64;
const ACKNOWLEDGE: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(10));

/// What came before the first start is read from the server's history so far back.
const BEFORE: SignedDuration = SignedDuration::from_hours(24);

/// A server must say something at least so often, whatever it revises the keep-alive to.
const LONGEST_SILENCE: Duration = Duration::from_secs(600);

/// The longest name of an epoch.
const MAX_EPOCH: usize = 64;

/// Publishing intervals between two keep-alives, and how long one may be late.
const SHORTEST_SILENCE: Duration = Duration::from_secs(15);

/// What a link knows from connection to connection.
struct Session {
    settings: GrpcSettings,
    wanted: Wanted,
    position: Position,
    outlet: Outlet,
    durable: watch::Receiver<Option<Position>>,
    /// How long the stream may be silent.
    silence: Duration,
    is_heard: bool,
}

/// Keeps a server heard.
pub(super) async fn run(
    start: Start,
    outlet: mpsc::Sender<Told>,
    durable: watch::Receiver<Option<Position>>,
) -> Result<(), Gone> {
    let position = start.position.as_deref().and_then(Position::read).unwrap_or_default();
    let (settings, wanted) = (start.settings, start.wanted);
    let outlet = Outlet::new(outlet, start.tap);
    let silence = LONGEST_SILENCE;
    let mut session = Session { settings, wanted, position, outlet, durable, silence, is_heard: false };
    let mut waits = Waits::default();
    let mut said: Option<Failure> = None;
    loop {
        match session.connected().await {
            Stop::Gone => return Err(Gone),
            Stop::NoSubscription(why) => {
                tracing::info!(endpoint = %session.settings.endpoint(), %why, "The subscription is gone; another is made.");
                session.position.subscription = 0;
            }
            Stop::Failed(failure) => {
                if session.is_heard || said.as_ref() != Some(&failure) {
                    let Failure { peer, reason, remedy, .. } = failure.clone();
                    let place = peer.to_string();
                    session.outlet.tell(ServiceEvent::Disconnected { place, reason, remedy }).await?;
                }
                said = Some(failure);
            }
        }
        if std::mem::take(&mut session.is_heard) {
            waits.reset();
        }
        tokio::select! {
            () = tokio::time::sleep(waits.next_wait()) => {}
            () = session.outlet.closed() => return Err(Gone),
        }
    }
}

/// A number for what the items of a subscription stand for.
fn items_of(wanted: &Wanted) -> u32 {
    // FNV-1a: only equality counts.
    format!("{wanted:?}")
        .bytes()
        .fold(0x811c_9dc5, |hash: u32, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

impl Session {
    async fn connected(&mut self) -> Stop {
        let connection = match connect_with(&self.settings, self.outlet.tap()).await {
            Ok(connection) => connection,
            Err(failure) => return Stop::Failed(failure),
        };
        let followed = self.follow(&connection).await;
        self.outlet.hear(None);
        match followed {
            Ok(()) => Stop::Gone,
            Err(stop) => stop,
        }
    }

    async fn follow(&mut self, connection: &Connection) -> Result<(), Stop> {
        let told = status(connection).await?;
        if told.server_epoch.is_empty() || told.server_epoch.len() > MAX_EPOCH {
            return Err(Stop::Failed(Failure::nonsense(connection.peer(), "no usable epoch")));
        }
        let terms = Terms::new(self.wanted, &told.namespaces).ok_or_else(|| {
            let what = format!("it does not have the namespace `{}`", self.wanted.namespace);
            Failure::lacks(
                connection.peer(),
                &what,
                "check that the endpoint is the gateway of this kind of instrument",
            )
        })?;
        let epoch = told.server_epoch;
        let mut server = Server { client: client(connection), connection, terms: &terms, epoch };
        let items = items_of(&self.wanted);
        if self.position.epoch != server.epoch || self.position.items != items {
            self.position.subscription = 0;
        }
        let mut stream = None;
        if self.position.subscription != 0 {
            match server.publish(self.position.subscription).await {
                Ok(opened) => stream = Some(opened),
                Err(status) if opc_status(&status) == Some(StatusCode::BAD_SUBSCRIPTION_ID_INVALID) => {
                    self.position.subscription = 0;
                }
                Err(status) => return Err(connection.failure(&status).into()),
            }
        }
        self.outlet.tell(ServiceEvent::Connected { place: connection.peer().to_owned() }).await?;
        let (mut stream, receipt) = match stream {
            Some(stream) => stream,
            None => self.subscribe(&mut server, items).await?,
        };
        self.outlet.hear(receipt);
        self.is_heard = true;
        // Values are told when they change: what they are now is asked for, which also follows from no old one.
        let values = server.read().await?;
        let now = Notified { values, events: Vec::new(), foreign: 0, position: self.position.clone(), way: Way::Live };
        self.outlet.tell(ServiceEvent::Notified(now)).await?;

        let mut acknowledged = self.position.sequence;
        let mut last = Instant::now();
        let mut repeated = 0;
        loop {
            let pending = self
                .durable
                .borrow()
                .as_ref()
                .filter(|durable| {
                    durable.subscription == self.position.subscription
                        && durable.epoch == self.position.epoch
                        && durable.sequence != acknowledged
                })
                .cloned();
            // Numbers go round; where they do, that 0 is left out makes no difference here.
            let waiting = pending.as_ref().map_or(0, |durable| durable.sequence.wrapping_sub(acknowledged));
            let acknowledge_at = last + if waiting < MANY { ACKNOWLEDGE.1 } else { ACKNOWLEDGE.0 };
            let message = tokio::select! {
                biased;
                () = self.outlet.closed() => return Err(Stop::Gone),
                () = tokio::time::sleep_until(acknowledge_at), if pending.is_some() => {
                    if let Some(position) = pending {
                        server.acknowledge(&position).await?;
                        acknowledged = position.sequence;
                        last = Instant::now();
                    }
                    continue;
                }
                Ok(()) = self.durable.changed(), if pending.is_none() => continue,
                message = tokio::time::timeout(self.silence, stream.message()) => message,
            };
            let message = match message {
                Ok(Ok(Some(message))) => message,
                Ok(Ok(None)) => return Err(Failure::ended(connection.peer()).into()),
                Ok(Err(status)) => {
                    let is_unknown = opc_status(&status) == Some(StatusCode::BAD_SUBSCRIPTION_ID_INVALID);
                    return Err(Stop::of(connection.failure(&status), is_unknown));
                }
                Err(_) => return Err(Failure::silent(connection.peer(), self.silence).into()),
            };
            let change = message.status_change.clone();
            let mut following = Following {
                terms: &terms,
                position: &mut self.position,
                tell: &mut self.outlet,
                peer: connection.peer(),
                repeated,
            };
            // A change of the subscription's state may come without anything else.
            if change.is_none() || !(message.events.is_empty() && message.data_changes.is_empty()) {
                following.take(message, &mut server).await?;
            }
            repeated = following.repeated;
            if let Some(StatusChange { status_code, .. }) = change {
                return Err(self.changed(StatusCode(status_code), connection));
            }
        }
    }

    /// Makes a subscription, and reads from the history what came before it.
    async fn subscribe(&mut self, server: &mut Server<'_>, items: u32) -> Result<Heard, Stop> {
        let peer = server.connection.peer().to_owned();
        let made = server.subscribe().await?;
        self.check(&made, &peer)?;
        self.silence = silence_of(&made);
        let is_first = self.position.epoch.is_empty();
        self.position = Position {
            epoch: server.epoch.clone(),
            subscription: made.subscription_id,
            items,
            sequence: 0,
            time: self.position.time,
            since: self.position.since,
        };
        let terms = server.terms;
        let mut following =
            Following { terms, position: &mut self.position, tell: &mut self.outlet, peer: &peer, repeated: 0 };
        match following.position.time.or(following.position.since) {
            Some(heard) => {
                let what = "what happened since the last event that was heard";
                following.read_history(heard, heard, Way::History, what, server).await?;
            }
            None if is_first => {
                let since = Timestamp::now().checked_sub(BEFORE).unwrap_or(Timestamp::MIN);
                following.position.since = Some(since);
                following.read_before(since, server).await?;
            }
            None => {}
        }
        server.publish(made.subscription_id).await.map_err(|status| server.connection.failure(&status).into())
    }

    fn check(&self, made: &CreateSubscriptionResponse, peer: &str) -> Result<(), Failure> {
        if made.subscription_id == 0 {
            return Err(Failure::nonsense(peer, "a subscription without a number"));
        }
        let status = made.results.first().map_or(StatusCode::BAD, |result| StatusCode(result.status_code));
        if status.severity() == Severity::Bad {
            let what = format!("events cannot be subscribed to: {status}");
            return Err(Failure::lacks(peer, &what, "check the gateway's log, and which instrument it is for"));
        }
        Ok(())
    }

    fn changed(&mut self, status: StatusCode, connection: &Connection) -> Stop {
        match status.without_info() {
            StatusCode::BAD_TIMEOUT => Stop::NoSubscription("its lifetime was over".to_owned()),
            StatusCode::GOOD_SUBSCRIPTION_TRANSFERRED => Failure::taken(connection.peer()).into(),
            _ => Failure::ended(connection.peer()).into(),
        }
    }
}

/// How long a stream may be silent: three keep-alives.
fn silence_of(made: &CreateSubscriptionResponse) -> Duration {
    let interval = made.revised_publishing_interval_ms / 1000.0 * f64::from(made.revised_max_keep_alive_count) * 3.0;
    let asked = Duration::try_from_secs_f64(interval).unwrap_or(LONGEST_SILENCE);
    asked.clamp(SHORTEST_SILENCE, LONGEST_SILENCE)
}
