//! One connection, from the first publication to its end.
//!
//! The loop hands over what there is room for, and then waits for whatever comes first; only then is anything written. What
//! came together is taken together, so that rows go out in bunches too.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rumqttc::Outgoing;
use rumqttc::v5::mqttbytes::v5::{Packet, PubAckReason, Publish};
use rumqttc::v5::{Event, Request};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::claim::{About, about};
use super::context::{Context, Memory};
use super::end::End;
use super::limits::Limits;
use super::opening::{Opened, request};
use super::outbox::Row;
use super::reason::{Verdict, verdict};
use super::replay::Replays;
use super::retained::Shelf;
use super::rows::Rows;
use super::status::{Held, Phase, Report};
use super::window::Window;
use super::wire::Wire;
use crate::event::DeviceId;

/// At the end: for acknowledgements of what is in flight, for that of `stopped`, and for DISCONNECT to be written.
const DRAIN: Duration = Duration::from_secs(2);
const FAREWELL: Duration = Duration::from_secs(1);
const HANG_UP: Duration = Duration::from_millis(500);
/// The status is told at most this often where only counters changed.
const TELL: Duration = Duration::from_secs(1);

/// What a message that was handed over is.
#[derive(Debug)]
pub(super) enum Item {
    /// A row of the device at this index.
    Row { device: usize, sequence: u64 },
    /// A retained topic.
    Retained(Arc<str>),
    /// Part of an answer to a request.
    Answer(u64),
    /// The node's state, `stopped`.
    Stopped,
}

/// How far the end is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stopping {
    No,
    /// Waiting for what is in flight.
    Draining(Instant),
    /// Waiting for the acknowledgement of `stopped`.
    Farewell(Instant),
    /// Waiting for DISCONNECT to be written.
    HangingUp(Instant),
}

/// A read that ended: for a device by index, or for a request.
pub(super) enum Read {
    Rows(usize, Result<Vec<Row>, String>),
    Replay(u64, Result<Vec<Row>, String>),
}

/// One connection.
pub(super) struct Session<'a> {
    pub(super) context: &'a Context,
    pub(super) memory: &'a mut Memory,
    pub(super) report: &'a mut Report,
    pub(super) wire: Wire,
    pub(super) limits: Limits,
    pub(super) window: Window<Item>,
    pub(super) rows: Rows,
    pub(super) shelf: Shelf,
    pub(super) replays: Replays,
    pub(super) reads: JoinSet<Read>,
    pub(super) not_before: Option<Instant>,
    /// Of this connection, over all brokers.
    pub(super) number: u64,
    /// Which devices' commands were subscribed to.
    generation: u64,
    commanded: watch::Receiver<u64>,
    committed: watch::Receiver<u64>,
    /// The first commit that was not looked at.
    unseen: u64,
    changed: watch::Receiver<u64>,
    stopping: Stopping,
    /// Commands that came while the connection was opened.
    opening: Vec<Publish>,
    /// The last acknowledgement, or when the window was last empty.
    progress: Instant,
    told: Instant,
    /// Whether counters changed since the status was told.
    dirty: bool,
}

impl<'a> Session<'a> {
    /// A session on a connection that is open. `positions` were read from the journal.
    pub fn new(
        context: &'a Context,
        memory: &'a mut Memory,
        report: &'a mut Report,
        wire: Wire,
        opened: Opened,
    ) -> Self {
        let mut window = Window::new(opened.limits.window);
        for identifier in &opened.identifiers {
            window.subscribed(*identifier);
        }
        let now = Instant::now();
        let mut committed = context.outbox.committed();
        committed.mark_changed();
        let mut commanded = context.commands.changed();
        commanded.mark_changed();
        let mut session = Self {
            context,
            memory,
            report,
            wire,
            limits: opened.limits,
            window,
            rows: Rows::default(),
            shelf: Shelf::new(context.settings.state_expiry),
            replays: Replays::new(context.settings.response_prefix.clone()),
            reads: JoinSet::new(),
            not_before: None,
            number: context.commands.open_session(),
            generation: opened.generation,
            commanded,
            committed,
            unseen: 0,
            changed: context.standing.changed(),
            stopping: Stopping::No,
            opening: Vec::new(),
            progress: now,
            told: now,
            dirty: true,
        };
        for device in context.outbox.devices().iter().filter(|device| device.retired) {
            // Only what is ours: the device may live on with another node.
            if opened.claims.is_owner(&device.device, &context.node) {
                for topic in ["state", "info"] {
                    session.shelf.clear(format!("devices/{}/{topic}", device.device).into());
                }
            }
        }
        for incoming in opened.requests {
            session.requested(&incoming);
        }
        session.opening = opened.commands;
        session
    }

    /// Publishes until the connection ends, and says why it did.
    pub async fn run(mut self) -> End {
        let end = self.publish().await;
        if matches!(end, End::Lost { .. } | End::TakenOver) {
            // Acknowledgements that came with the bad news are as good as any.
            while let Some(event) = self.wire.happened() {
                if let Event::Incoming(Packet::PubAck(ack)) = event {
                    self.acknowledged(ack.pkid, ack.reason, Instant::now());
                }
            }
        }
        if matches!(end, End::Doubt(_)) {
            super::opening::disconnect(&mut self.wire).await;
        }
        self.memory.remember(&self.rows);
        self.report_rows();
        end
    }

    async fn publish(&mut self) -> End {
        let context = self.context;
        let wake = sleep_until(Instant::now());
        tokio::pin!(wake);
        for publish in std::mem::take(&mut self.opening) {
            if let Err(end) = self.commanded_by(publish) {
                return end;
            }
        }
        loop {
            let now = Instant::now();
            if let Some(end) = self.attend(now) {
                return end;
            }
            let wake_at = self.wake_at(now);
            if wake.deadline() != wake_at {
                wake.as_mut().reset(wake_at);
            }
            // Everything but the connection only wakes: `attend` looks at all of it each time.
            let mut next = tokio::select! {
                biased;
                event = self.wire.next() => Some(event),
                // Both are marked again for `attend`. A sender that is gone disables its branch.
                Ok(()) = self.committed.changed() => { self.committed.mark_changed(); None }
                Ok(()) = self.changed.changed() => { self.changed.mark_changed(); None }
                Ok(()) = self.commanded.changed() => { self.commanded.mark_changed(); None }
                Some(read) = self.reads.join_next() => { self.read(read); None }
                () = context.stop.cancelled(), if self.stopping == Stopping::No => None,
                () = &mut wake => None,
            };
            while let Some(event) = next {
                match event {
                    Ok(event) => {
                        if let Err(end) = self.handle(event) {
                            return end;
                        }
                    }
                    Err(error) => return End::from_error(&error),
                }
                next = self.wire.happened().map(Ok);
            }
        }
    }

    /// Takes what happened on the connection.
    fn handle(&mut self, event: Event) -> Result<(), End> {
        match event {
            Event::Outgoing(Outgoing::Publish(identifier)) => self.window.sent(identifier)?,
            Event::Incoming(Packet::PubAck(ack)) => self.acknowledged(ack.pkid, ack.reason, Instant::now()),
            Event::Incoming(Packet::Publish(publish)) => return self.incoming(publish),
            Event::Outgoing(Outgoing::AwaitAck(identifier)) => {
                return Err(End::lost(format!("packet identifier {identifier} was used twice")));
            }
            Event::Outgoing(Outgoing::Disconnect) => return Err(End::Stopped),
            _ => {}
        }
        Ok(())
    }

    fn incoming(&mut self, publish: Publish) -> Result<(), End> {
        let topic = std::str::from_utf8(&publish.topic).unwrap_or_default();
        let below = topic.strip_prefix(self.context.prefix.as_str());
        if below.and_then(Context::command_of).is_some() {
            return self.commanded_by(publish);
        }
        self.acknowledge(&publish)?;
        if topic == self.context.request_topic() {
            self.requested(&request(publish));
            return Ok(());
        }
        let Some(below) = below else { return Ok(()) };
        match about(below, &publish.payload) {
            About::Owner(device, Some(node)) if node != self.context.node.as_str() => {
                Err(End::Doubt(format!("node `{node}` publishes for device `{device}`")))
            }
            About::Node(node, true)
                if node == self.context.node.as_str() && self.context.is_newer_than_us(&publish.payload) =>
            {
                Err(End::Doubt(format!("another daemon with the node name `{node}` is online")))
            }
            _ => Ok(()),
        }
    }

    fn requested(&mut self, incoming: &super::replay::Incoming) {
        let outbox = &self.context.outbox;
        if let Err(refused) = self.replays.request(incoming, outbox.id(), &outbox.devices()) {
            tracing::warn!(broker = %self.context.settings.name, reason = %refused, "A replay request is refused.");
        }
    }

    /// Takes an acknowledgement.
    fn acknowledged(&mut self, identifier: u16, reason: PubAckReason, now: Instant) {
        let Some(item) = self.window.acknowledged(identifier) else { return };
        self.progress = now;
        self.dirty = true;
        let verdict = verdict(reason);
        match item {
            Item::Row { device, sequence } => self.row_acknowledged(device, sequence, verdict, now),
            Item::Retained(topic) => match verdict {
                Verdict::Taken | Verdict::TakenByNobody => self.shelf.taken(&topic),
                Verdict::Later(refusal) | Verdict::Hold(refusal) | Verdict::Poison(refusal) => {
                    let news = self.shelf.refused(&topic, now);
                    let text = format!("the broker refused the retained topic {topic}: {}", refusal.reason);
                    if news {
                        tracing::warn!(broker = %self.context.settings.name, reason = %text, "A retained topic is refused.");
                    }
                    self.report.status.fail(text, refusal.remedy);
                }
            },
            Item::Answer(request) => {
                if verdict != Verdict::Taken {
                    self.replays.abandon(request);
                }
            }
            Item::Stopped => {}
        }
    }

    fn row_acknowledged(&mut self, device: usize, sequence: u64, verdict: Verdict, now: Instant) {
        let change = self.rows.acknowledge(device, sequence, verdict, now, fastrand::f64());
        let name = &self.context.settings.name;
        let status = &mut self.report.status;
        if verdict == Verdict::TakenByNobody {
            status.no_subscribers += 1;
        }
        if let Some(reason) = change.dead {
            status.dead_letters += 1;
            self.context.outbox.dead_letter(name, self.rows.device(device), sequence, reason);
        }
        if matches!(verdict, Verdict::Taken | Verdict::TakenByNobody) {
            status.settled += 1;
        }
        if let Some(settled) = change.settled {
            self.context.outbox.settle(name, self.rows.device(device), settled);
        }
        if change.pause_changed {
            status.tell_pause(name, self.rows.device(device), sequence, &verdict);
            self.report_rows();
        }
    }

    /// Everything that does not happen on the connection: new rows, changed states, the end.
    fn attend(&mut self, now: Instant) -> Option<End> {
        if self.window.is_empty() {
            self.progress = now;
        } else if now.duration_since(self.progress) >= self.context.settings.stall {
            return Some(End::Stalled);
        }
        match self.stopping {
            Stopping::No if self.context.stop.is_cancelled() => {
                self.stopping = Stopping::Draining(now + DRAIN);
                return self.attend(now);
            }
            Stopping::No => {
                while let Some(read) = self.reads.try_join_next() {
                    self.read(read);
                }
                if self.committed.has_changed().unwrap_or(false) {
                    self.note_devices();
                }
                if self.changed.has_changed().unwrap_or(false) {
                    self.changed.borrow_and_update();
                    self.shelf.changed();
                }
                if self.commanded.has_changed().unwrap_or(false) {
                    self.commanded.borrow_and_update();
                    if let Err(end) = self.acknowledge_settled() {
                        return Some(end);
                    }
                    if self.context.commands.devices().0 != self.generation {
                        return Some(End::lost("other devices take commands now; subscribing anew"));
                    }
                }
                self.answers();
                if self.shelf.next_round(now).is_some_and(|at| at <= now) {
                    self.shelf.round(self.context.standing.topics(), now);
                }
                if let Err(end) = self.fill(now) {
                    return Some(end);
                }
                if self.dirty && now.duration_since(self.told) >= TELL {
                    self.report_rows();
                }
            }
            Stopping::Draining(deadline) if self.window.is_empty() || deadline <= now => {
                // The actors have stopped: nothing more is decided.
                if let Err(end) = self.acknowledge_settled() {
                    return Some(end);
                }
                if !self.window.has_room() || self.farewell().is_err() {
                    return Some(End::Stopped);
                }
                self.stopping = Stopping::Farewell(now + FAREWELL);
            }
            Stopping::Farewell(deadline) if self.window.is_empty() || deadline <= now => {
                if self.wire.send(Request::Disconnect).is_err() {
                    return Some(End::Stopped);
                }
                self.stopping = Stopping::HangingUp(now + HANG_UP);
            }
            Stopping::HangingUp(deadline) if deadline <= now => return Some(End::Stopped),
            _ => {}
        }
        None
    }

    /// When there is something to do again though nothing happens.
    fn wake_at(&self, now: Instant) -> Instant {
        let stall = (!self.window.is_empty()).then(|| self.progress + self.context.settings.stall);
        let idle = now + Duration::from_secs(60);
        let rest = match self.stopping {
            Stopping::Draining(at) | Stopping::Farewell(at) | Stopping::HangingUp(at) => [Some(at), None, None, None],
            Stopping::No => {
                let replay = if self.window.has_room() { self.replays.next_at(now) } else { None };
                // A replay that may go but has to let live rows pass waits for them, not for the clock.
                let replay = replay.filter(|at| *at > now);
                let dirty = self.dirty.then(|| self.told + TELL);
                let shelf = self.shelf.next_round(now);
                [self.rows.retry_at().filter(|at| *at > now), shelf, replay, dirty]
            }
        };
        let not_before = self.not_before.filter(|at| *at > now);
        let all = [stall, not_before].into_iter().chain(rest).flatten();
        all.fold(idle, Instant::min)
    }

    fn note_devices(&mut self) {
        self.dirty = true;
        let (memory, rows) = (&self.memory, &mut self.rows);
        let commit = *self.committed.borrow_and_update();
        let since = std::mem::replace(&mut self.unseen, commit + 1);
        self.context.outbox.ends(since, &mut |device, last| {
            rows.note(device, last, || {
                let position = |of: &BTreeMap<DeviceId, u64>| of.get(device).copied().unwrap_or(0);
                (position(&memory.settled), position(&memory.highest))
            });
        });
    }

    /// Brings the status up to date and tells it.
    pub(super) fn report_rows(&mut self) {
        self.dirty = false;
        self.told = Instant::now();
        let status = &mut self.report.status;
        if self.stopping == Stopping::No {
            status.enter(Phase::Connected);
        }
        status.window = Some(self.limits.window);
        status.max_packet = self.limits.max_packet;
        status.backlog = self.rows.backlog();
        let pauses = self.rows.cursors().iter().filter_map(|cursor| Some((cursor, cursor.pause()?)));
        status.held = pauses
            .map(|(cursor, pause)| Held {
                device: cursor.device.clone(),
                sequence: pause.sequence,
                reason: pause.reason.clone(),
                remedy: pause.remedy.clone(),
                since: pause.since,
                needs_operator: pause.held,
            })
            .collect();
        self.report.tell();
    }
}
