//! Events, and what a client wants of them.

use std::collections::BTreeMap;

use instrument_proto::device::v1::variant::Value;
use instrument_proto::device::v1::{AttributeId, EventFields, EventFilter, SelectClause, Variant};
use instrument_proto::device::{NodeId, StatusCode, attribute, echo_ms_plus::field, label, text, timestamp, variant};
use jiff::Timestamp;

use super::space::{AddressSpace, standard};

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Names it for ever.
    pub id: Vec<u8>,
    /// Its type.
    pub event_type: NodeId,
    /// Where it happened.
    pub source: NodeId,
    /// The name of that.
    pub source_name: String,
    /// When it happened, by the instrument's clock.
    pub time: Timestamp,
    /// When the server heard of it, by its own.
    pub received: Timestamp,
    /// For people.
    pub message: String,
    /// From 1 to 1000.
    pub severity: u16,
    /// Its type's own fields; those that are not there are null.
    pub fields: BTreeMap<&'static str, Variant>,
}

impl Event {
    /// What tells that events were dropped because a queue was full.
    pub(super) fn overflow(number: u64, now: Timestamp) -> Self {
        Self {
            id: format!("overflow/{now}/{number}").into_bytes(),
            event_type: NodeId::numeric(0, standard::OVERFLOW_EVENT_TYPE),
            source: NodeId::numeric(0, standard::SERVER),
            source_name: "Server".to_owned(),
            time: now,
            received: now,
            message: "events were dropped because the queue of the monitored item was full".to_owned(),
            severity: 500,
            fields: BTreeMap::new(),
        }
    }

    fn field(&self, namespace: u32, name: &str) -> Variant {
        if namespace == 2 {
            return self.fields.get(name).cloned().unwrap_or_default();
        }
        match name {
            "EventId" => variant(Value::ByteString(self.id.clone())),
            "EventType" => variant(Value::NodeId(self.event_type.to_string())),
            "SourceNode" => variant(Value::NodeId(self.source.to_string())),
            "SourceName" => text(&self.source_name),
            "Time" => variant(Value::DateTime(timestamp(self.time))),
            "ReceiveTime" => variant(Value::DateTime(timestamp(self.received))),
            "Message" => variant(Value::LocalizedText(label(&self.message))),
            "Severity" => variant(Value::Uint16(self.severity.into())),
            _ => Variant::default(),
        }
    }
}

/// A filter that was looked through: what is wanted of which events.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Selection {
    /// Namespace and name of each field, and the type that has it; `None` where there is no such field.
    clauses: Vec<Option<(NodeId, u32, String)>>,
    of_types: Vec<NodeId>,
}

impl Selection {
    /// Looks a filter through, and says of each clause whether it can be met.
    pub fn new(filter: &EventFilter, space: &AddressSpace, most: usize) -> Result<(Self, Vec<StatusCode>), StatusCode> {
        if filter.select_clauses.is_empty() {
            return Err(StatusCode::BAD_MONITORED_ITEM_FILTER_INVALID);
        }
        if filter.select_clauses.len() > most || filter.of_types.len() > most {
            return Err(StatusCode::BAD_TOO_MANY_OPERATIONS);
        }
        let looked = filter.select_clauses.iter().map(|clause| look(clause, space)).collect::<Vec<_>>();
        let codes = looked.iter().map(|looked| looked.as_ref().err().copied().unwrap_or(StatusCode::GOOD)).collect();
        let of_types =
            filter.of_types.iter().map(|of| of.parse::<NodeId>().map_err(|_| StatusCode::BAD_NODE_ID_INVALID));
        let selection = Self {
            clauses: looked.into_iter().map(Result::ok).collect(),
            of_types: of_types.collect::<Result<_, _>>()?,
        };
        Ok((selection, codes))
    }

    /// Whether an event is wanted.
    pub fn wants(&self, event: &Event, space: &AddressSpace) -> bool {
        self.of_types.is_empty() || self.of_types.iter().any(|of| space.is_event_type(&event.event_type, of))
    }

    /// What is wanted of an event.
    pub fn select(&self, event: &Event, space: &AddressSpace) -> EventFields {
        let select = |clause: &Option<(NodeId, u32, String)>| match clause {
            Some((of, namespace, name)) if space.is_event_type(&event.event_type, of) => event.field(*namespace, name),
            _ => Variant::default(),
        };
        EventFields { fields: self.clauses.iter().map(select).collect() }
    }
}

fn look(clause: &SelectClause, space: &AddressSpace) -> Result<(NodeId, u32, String), StatusCode> {
    let base = NodeId::numeric(0, standard::BASE_EVENT_TYPE);
    let of = match clause.type_definition_id.as_str() {
        "" => base.clone(),
        text => text.parse().map_err(|_| StatusCode::BAD_NODE_ID_INVALID)?,
    };
    if !space.is_event_type(&of, &base) {
        return Err(StatusCode::BAD_NODE_ID_UNKNOWN);
    }
    if attribute(clause.attribute_id) != Some(AttributeId::Value) {
        return Err(StatusCode::BAD_ATTRIBUTE_ID_INVALID);
    }
    let [name] = clause.browse_path.as_slice() else { return Err(StatusCode::BAD_NO_MATCH) };
    let known = match name.namespace_index {
        0 => field::BASE.contains(&name.name.as_str()),
        2 => space.has_field(&of, &name.name),
        _ => false,
    };
    if known { Ok((of, name.namespace_index, name.name.clone())) } else { Err(StatusCode::BAD_NO_MATCH) }
}
