//! A server as a state machine: nothing here waits, and time is an argument.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use instrument_proto::device::v1::variant::Value;
use instrument_proto::device::v1::{
    BuildInfo, DataValue, NotificationMessage, ReferenceDescription, ServerState, ServerStatus, TimestampsToReturn,
    Variant,
};
use instrument_proto::device::{NodeId, StatusCode, text, timestamp, variant};
use jiff::Timestamp;

use super::event::Event;
use super::history::{Archive, HistoryCursor};
use super::limits::Limits;
use super::refusal::Refusal;
use super::space::{Access, AddressSpace, Node, standard};
use super::subscription::Subscription;
use super::variable::{self, no_communication, texts};

/// Who calls: the digest of nothing, or a client's certificate.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Identity(pub Vec<u8>);

/// A stream of a subscription. Another one that is opened later takes its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stream {
    /// The subscription.
    pub subscription: u32,
    /// Which of its streams.
    pub number: u64,
}

/// What a stream has to do.
#[derive(Debug)]
pub enum Poll {
    /// Send this.
    Say(Box<NotificationMessage>),
    /// Ask again at this time, or when something happens.
    Wait(Timestamp),
    /// Send this, if anything, and end.
    End(Option<Box<NotificationMessage>>),
}

/// What an instrument's methods do.
pub trait Methods: Send + fmt::Debug {
    /// Calls a method, whose arguments have the right number and types.
    ///
    /// # Errors
    /// The StatusCode of the call.
    fn call(&mut self, method: &NodeId, arguments: &[Variant], now: Timestamp) -> Result<Vec<Variant>, StatusCode>;
}

/// A server of the device service.
#[derive(Debug)]
pub struct Server {
    pub(super) space: AddressSpace,
    pub(super) limits: Limits,
    pub(super) epoch: String,
    uri: String,
    build: BuildInfo,
    started: Timestamp,
    connected: bool,
    pub(super) values: BTreeMap<NodeId, Archive<DataValue>>,
    pub(super) events: Archive<Event>,
    pub(super) subscriptions: BTreeMap<u32, Subscription>,
    /// Subscriptions that ended by themselves, for the streams that have not heard of it.
    pub(super) ended: VecDeque<u32>,
    pub(super) last_subscription: u32,
    pub(super) last_item: u32,
    pub(super) cursors: BTreeMap<u64, Cursor>,
    last_cursor: u64,
    pub(super) methods: Box<dyn Methods>,
    pub(super) wrong_codes: u32,
}

/// What a continuation point stands for.
#[derive(Debug)]
pub(super) enum Cursor {
    Browse { rest: VecDeque<ReferenceDescription>, page: usize },
    History(HistoryCursor),
}

/// The node that tells the epoch.
pub(super) fn epoch_node() -> NodeId {
    NodeId::string(1, "ServerEpoch")
}

/// Which times are wanted.
pub(super) fn stamps(number: i32) -> Result<TimestampsToReturn, Refusal> {
    TimestampsToReturn::try_from(number).map_err(|_| {
        let text = format!("timestamps_to_return is {number}, and goes from 0 to 3");
        Refusal::new(StatusCode::BAD_TIMESTAMPS_TO_RETURN_INVALID, text)
    })
}

impl Server {
    /// A server of these nodes. `uri` is what stays the same of the installation, `epoch` what was never used before.
    pub fn new(
        space: AddressSpace,
        uri: &str,
        build: BuildInfo,
        limits: Limits,
        methods: Box<dyn Methods>,
        epoch: String,
        now: Timestamp,
    ) -> Self {
        let events = Archive::new(limits.history);
        Self {
            space,
            limits,
            epoch,
            uri: uri.to_owned(),
            build,
            started: now,
            connected: true,
            values: BTreeMap::new(),
            events,
            subscriptions: BTreeMap::new(),
            ended: VecDeque::new(),
            last_subscription: 0,
            last_item: 0,
            cursors: BTreeMap::new(),
            last_cursor: 0,
            methods,
            wrong_codes: 0,
        }
    }

    /// Its limits.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Its epoch.
    pub fn epoch(&self) -> &str {
        &self.epoch
    }

    /// How many subscriptions there are.
    pub fn subscriptions(&self) -> usize {
        self.subscriptions.len()
    }

    /// Starts anew with all that it had.
    pub fn restarted(&mut self, now: Timestamp) {
        self.started = now;
        let start = NodeId::numeric(0, standard::START_TIME);
        let value = self.current(&start, now);
        self.tell(&start, &value, now);
    }

    /// Starts anew without subscriptions, queues and continuation points: another epoch. History is kept.
    pub fn lose_queues(&mut self, epoch: String, now: Timestamp) {
        self.started = now;
        self.epoch = epoch;
        self.subscriptions.clear();
        self.ended.clear();
        self.cursors.clear();
        self.last_subscription = 0;
        self.last_item = 0;
    }

    /// Forgets what was.
    pub fn lose_history(&mut self) {
        self.values.clear();
        self.events = Archive::new(self.limits.history);
    }

    /// From now on Read and what is created answer this many times with a wrong StatusCode.
    pub fn answer_wrongly(&mut self, times: u32) {
        self.wrong_codes = times;
    }

    /// The lifetimes of all subscriptions are over at once.
    pub fn expire_all(&mut self) {
        for (id, _) in std::mem::take(&mut self.subscriptions) {
            self.note_ended(id);
        }
    }

    pub(super) fn note_ended(&mut self, id: u32) {
        if self.ended.len() == self.limits.subscriptions {
            self.ended.pop_front();
        }
        self.ended.push_back(id);
    }

    /// A variable has this value from now on, as the instrument says.
    pub fn set(&mut self, id: &NodeId, value: Variant, source: Timestamp, now: Timestamp) {
        self.expire(now);
        let value = DataValue {
            value: Some(Box::new(value)),
            status_code: 0,
            source_timestamp: Some(timestamp(source)),
            server_timestamp: Some(timestamp(now)),
        };
        let Some(variable) = self.space.variable_mut(id) else { return };
        variable.value = value.clone();
        let (keeps, hidden) = (variable.access == Access::ReadHistory, variable.live && !self.connected);
        if keeps {
            self.archive(id, source, value.clone());
        }
        if !hidden {
            self.tell(id, &value, now);
        }
    }

    fn archive(&mut self, id: &NodeId, time: Timestamp, value: DataValue) {
        let most = self.limits.history;
        self.values.entry(id.clone()).or_insert_with(|| Archive::new(most)).add(time, value);
    }

    fn tell(&mut self, id: &NodeId, value: &DataValue, now: Timestamp) {
        for subscription in self.subscriptions.values_mut() {
            for item in subscription.items.values_mut().filter(|item| item.node == *id) {
                item.value(value, now);
            }
        }
    }

    /// This happened.
    pub fn emit(&mut self, event: Event, now: Timestamp) {
        self.expire(now);
        for subscription in self.subscriptions.values_mut() {
            for item in subscription.items.values_mut() {
                item.event(&event, &self.space, now);
            }
        }
        self.events.add(event.time, event);
    }

    /// The instrument behind the server answers, or does not.
    pub fn set_connected(&mut self, connected: bool, now: Timestamp) {
        if self.connected == connected {
            return;
        }
        self.connected = connected;
        let live = self.space.iter().filter(|(_, node)| node.variable().is_some_and(|variable| variable.live));
        let ids: Vec<NodeId> = live.map(|(id, _)| id.clone()).collect();
        for id in ids {
            let value = self.current(&id, now);
            if let Some(Access::ReadHistory) =
                self.space.get(&id).and_then(Node::variable).map(|variable| variable.access)
            {
                self.archive(&id, now, value.clone());
            }
            self.tell(&id, &value, now);
        }
        let state = NodeId::numeric(0, standard::STATE);
        let value = self.current(&state, now);
        self.tell(&state, &value, now);
    }

    /// What a variable is now.
    pub(super) fn current(&self, id: &NodeId, now: Timestamp) -> DataValue {
        let server = |number: u32| *id == NodeId::numeric(0, number);
        if server(standard::CURRENT_TIME) {
            return variable::own(variant(Value::DateTime(timestamp(now))), now);
        }
        if server(standard::START_TIME) {
            return variable::own(variant(Value::DateTime(timestamp(self.started))), now);
        }
        if server(standard::STATE) {
            return variable::own(variant(Value::Int32(self.state().into())), now);
        }
        if server(standard::SERVER_ARRAY) {
            return variable::own(texts([self.uri.clone()]), now);
        }
        if server(standard::NAMESPACE_ARRAY) {
            return variable::own(texts(self.namespaces()), now);
        }
        if *id == epoch_node() {
            return variable::own(text(&self.epoch), now);
        }
        match self.space.get(id).and_then(Node::variable) {
            Some(variable) if variable.live && !self.connected => no_communication(now),
            Some(variable) => {
                // What nobody has told yet is the server's own: it holds now.
                let mut value = variable.value.clone();
                value.server_timestamp.get_or_insert(timestamp(now));
                value
            }
            None => DataValue::bad(StatusCode::BAD_ATTRIBUTE_ID_INVALID),
        }
    }

    fn state(&self) -> ServerState {
        if self.connected { ServerState::Running } else { ServerState::CommunicationFault }
    }

    fn namespaces(&self) -> Vec<String> {
        let own = ["http://opcfoundation.org/UA/".to_owned(), self.uri.clone()];
        own.into_iter().chain(self.space.namespaces.iter().cloned()).collect()
    }

    /// Who it is and what it allows.
    pub fn status(&self, now: Timestamp) -> ServerStatus {
        ServerStatus {
            server_epoch: self.epoch.clone(),
            start_time: Some(timestamp(self.started)),
            current_time: Some(timestamp(now)),
            state: self.state().into(),
            build_info: Some(self.build.clone()),
            server_uri: self.uri.clone(),
            namespaces: self.namespaces(),
            limits: Some(self.limits.told()),
            seconds_till_shutdown: 0,
            shutdown_reason: None,
        }
    }

    pub(super) fn keep_cursor(&mut self, cursor: Cursor) -> Vec<u8> {
        if self.cursors.len() == self.limits.continuation_points {
            self.cursors.pop_first();
        }
        self.last_cursor += 1;
        self.cursors.insert(self.last_cursor, cursor);
        self.last_cursor.to_be_bytes().to_vec()
    }

    pub(super) fn keep_history_cursor(&mut self, cursor: HistoryCursor) -> Vec<u8> {
        self.keep_cursor(Cursor::History(cursor))
    }

    pub(super) fn take_history_cursor(&mut self, point: &[u8]) -> Option<HistoryCursor> {
        match self.cursors.remove(&key(point)?)? {
            Cursor::History(cursor) => Some(cursor),
            Cursor::Browse { .. } => None,
        }
    }
}

pub(super) fn key(point: &[u8]) -> Option<u64> {
    point.try_into().ok().map(u64::from_be_bytes)
}
