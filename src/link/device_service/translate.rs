//! Between a server's node ids and handles and what the driver calls them.

use instrument_proto::device::v1::monitored_item_create_request::Filter;
use instrument_proto::device::v1::variant::Value;
use instrument_proto::device::v1::{
    AttributeId, DataValue, EventFields, EventFilter, MonitoredItemCreateRequest, NotificationMessage, ReadValueId,
    SelectClause, Variant,
};
use instrument_proto::device::{QUEUE_OVERFLOW, echo_ms_plus::field, to_timestamp};
use jiff::Timestamp;

use crate::driver::service::{Happened, Wanted};

/// The handle of the item for events; that of the n-th variable is one more than n.
const EVENTS: u32 = 0;

/// The longest text of an event that is kept.
const MAX_MESSAGE: usize = 500;

/// The longest EventId that is kept.
const MAX_ID: usize = 64;

/// The fields that every event is asked for; the others are in the model's namespace.
const BASE: [&str; 8] = field::BASE;

/// What is wanted, in the words of one server.
#[derive(Debug, Clone)]
pub(super) struct Terms {
    wanted: Wanted,
    /// The index of the model's namespace at this server.
    namespace: u16,
}

/// An event, as far as the driver asked for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    id: Vec<u8>,
    event_type: &'static str,
    pub(super) time: Option<Timestamp>,
    message: String,
    names: &'static [&'static str],
    values: Vec<Variant>,
}

impl Notice {
    /// It, for the driver.
    pub fn happened(&self) -> Happened<'_> {
        Happened {
            id: &self.id,
            event_type: self.event_type,
            time: self.time,
            message: &self.message,
            names: self.names,
            values: &self.values,
        }
    }
}

/// What a message or a page of history holds.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Content {
    pub values: Vec<(&'static str, DataValue)>,
    pub events: Vec<Notice>,
    /// The server's own queue was full: events are missing.
    pub overflow: bool,
    /// Events that are none: without a type, or of one that was not asked for.
    pub foreign: usize,
}

impl Terms {
    /// `None` where the server does not have the model.
    pub fn new(wanted: Wanted, namespaces: &[String]) -> Option<Self> {
        let namespace = namespaces.iter().position(|uri| uri == wanted.namespace)?;
        Some(Self { wanted, namespace: u16::try_from(namespace).ok()? })
    }

    /// The terms of a server that was not heard saying who it is: most give the model this index.
    pub fn usual(wanted: Wanted) -> Self {
        Self { wanted, namespace: 2 }
    }

    fn at_server(&self, node: &str) -> String {
        match node.strip_prefix("ns=2;") {
            Some(rest) => format!("ns={};{rest}", self.namespace),
            None => node.to_owned(),
        }
    }

    /// The select clauses: those of every event, then those of each type.
    pub fn filter(&self) -> EventFilter {
        let base = BASE.iter().map(|name| SelectClause::field("i=2041", 0, name));
        let own = self.wanted.events.iter().flat_map(|(event_type, names)| {
            let at = self.at_server(event_type);
            names.iter().map(move |name| SelectClause::field(&at, self.namespace, name)).collect::<Vec<_>>()
        });
        EventFilter {
            select_clauses: base.chain(own).collect(),
            of_types: self.wanted.events.iter().map(|(event_type, _)| self.at_server(event_type)).collect(),
        }
    }

    /// The node whose events are wanted.
    pub fn notifier(&self) -> String {
        self.at_server(self.wanted.notifier)
    }

    /// The variables, in the order of their handles.
    pub fn values(&self) -> Vec<ReadValueId> {
        let value = |node: &&str| ReadValueId {
            node_id: self.at_server(node),
            attribute_id: AttributeId::Value.into(),
            index_range: String::new(),
        };
        self.wanted.values.iter().map(value).collect()
    }

    /// The name of a variable by its place among the wanted ones.
    pub fn value_name(&self, at: usize) -> Option<&'static str> {
        self.wanted.values.get(at).copied()
    }

    /// Values that were asked for, with their names.
    pub fn named(&self, values: Vec<DataValue>) -> Vec<(&'static str, DataValue)> {
        let named = |(at, value): (usize, DataValue)| Some((self.value_name(at)?, value));
        values.into_iter().enumerate().filter_map(named).collect()
    }

    /// The items of a subscription: the events first.
    pub fn items(&self) -> Vec<MonitoredItemCreateRequest> {
        let events = MonitoredItemCreateRequest {
            item_to_monitor: Some(ReadValueId {
                node_id: self.notifier(),
                attribute_id: AttributeId::EventNotifier.into(),
                index_range: String::new(),
            }),
            client_handle: EVENTS,
            filter: Some(Filter::Events(self.filter())),
            ..MonitoredItemCreateRequest::default()
        };
        let value = |(handle, item): (u32, ReadValueId)| MonitoredItemCreateRequest {
            item_to_monitor: Some(item),
            client_handle: handle,
            sampling_interval_ms: -1.0,
            queue_size: 1,
            ..MonitoredItemCreateRequest::default()
        };
        std::iter::once(events).chain((EVENTS + 1..).zip(self.values()).map(value)).collect()
    }

    /// What a notification message holds.
    pub fn message(&self, message: NotificationMessage) -> Content {
        let mut content = Content::default();
        for change in message.data_changes {
            let at = change.client_handle.checked_sub(EVENTS + 1).and_then(|at| usize::try_from(at).ok());
            match at.and_then(|at| self.value_name(at)) {
                Some(name) => content.values.push((name, change.value.unwrap_or_default())),
                None => content.foreign += 1,
            }
        }
        for event in message.events {
            match event.event {
                Some(fields) if event.client_handle == EVENTS => self.event(fields, &mut content),
                _ => content.foreign += 1,
            }
        }
        content
    }

    /// What an event holds.
    pub fn event(&self, fields: EventFields, content: &mut Content) {
        let mut fields = fields.fields;
        let mut base = |at: usize| fields.get_mut(at).and_then(|field| field.value.take());
        let (id, event_type, time, message) = (base(0), base(1), base(4), base(6));
        let event_type = match event_type {
            Some(Value::NodeId(id) | Value::ExpandedNodeId(id) | Value::String(id)) => id,
            _ => String::new(),
        };
        if event_type == QUEUE_OVERFLOW {
            content.overflow = true;
            return;
        }
        let mut begin = BASE.len();
        for (known, names) in self.wanted.events {
            if self.at_server(known) != event_type {
                begin += names.len();
                continue;
            }
            let values = fields.drain(begin.min(fields.len())..(begin + names.len()).min(fields.len())).collect();
            content.events.push(Notice {
                id: match id {
                    Some(Value::ByteString(bytes)) => bytes.iter().copied().take(MAX_ID).collect(),
                    Some(Value::String(text)) => text.bytes().take(MAX_ID).collect(),
                    _ => Vec::new(),
                },
                event_type: known,
                time: match time {
                    Some(Value::DateTime(time)) => to_timestamp(&time),
                    _ => None,
                },
                message: match message {
                    Some(Value::LocalizedText(text)) => text.text.chars().take(MAX_MESSAGE).collect(),
                    Some(Value::String(text)) => text.chars().take(MAX_MESSAGE).collect(),
                    _ => String::new(),
                },
                names,
                values,
            });
            return;
        }
        content.foreign += 1;
    }
}
