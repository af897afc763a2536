//! Values: what of them is asked for, and which changes count.

use instrument_proto::device::v1::variant::Value;
use instrument_proto::device::v1::{
    Array, AttributeId, DataChangeFilter, DataChangeTrigger, DataValue, DeadbandType, LocalizedText,
    TimestampsToReturn, Variant,
};
use instrument_proto::device::{NodeId, StatusCode, built_in_type, label, timestamp, variant};
use jiff::Timestamp;

use super::browse::event_notifier;
use super::space::{Kind, Node, Variable};

/// An attribute other than the value.
pub(super) fn attribute_of(id: &NodeId, node: &Node, attribute: AttributeId) -> Option<Variant> {
    let text = |text: &str| variant(Value::LocalizedText(LocalizedText { locale: "en".into(), text: text.into() }));
    let boolean = |yes: bool| variant(Value::Boolean(yes));
    Some(match (attribute, &node.kind) {
        (AttributeId::NodeId, _) => variant(Value::NodeId(id.to_string())),
        (AttributeId::NodeClass, kind) => variant(Value::Int32(kind.class().into())),
        (AttributeId::BrowseName, _) => variant(Value::QualifiedName(node.browse_name.clone())),
        (AttributeId::DisplayName, _) => variant(Value::LocalizedText(label(&node.browse_name.name))),
        (AttributeId::Description, _) => text(&node.description),
        (AttributeId::EventNotifier, Kind::Object { .. }) => variant(Value::Byte(event_notifier(node))),
        (AttributeId::DataType, Kind::Variable(variable)) => {
            variant(Value::NodeId(NodeId::numeric(0, variable.data_type).to_string()))
        }
        (AttributeId::ValueRank, Kind::Variable(variable)) => {
            variant(Value::Int32(if variable.array { 1 } else { -1 }))
        }
        (AttributeId::AccessLevel | AttributeId::UserAccessLevel, Kind::Variable(variable)) => {
            variant(Value::Byte(variable.access.bits()))
        }
        (AttributeId::MinimumSamplingInterval, Kind::Variable(_)) => variant(Value::Double(0.0)),
        (AttributeId::Historizing, Kind::Variable(variable)) => boolean(variable.access.bits() & 4 != 0),
        (AttributeId::Executable | AttributeId::UserExecutable, Kind::Method { executable, .. }) => {
            boolean(*executable)
        }
        _ => return None,
    })
}

/// The value with the times that a caller wants.
pub(super) fn stamped(mut value: DataValue, wanted: TimestampsToReturn) -> DataValue {
    if matches!(wanted, TimestampsToReturn::Server | TimestampsToReturn::Neither) {
        value.source_timestamp = None;
    }
    if matches!(wanted, TimestampsToReturn::Source | TimestampsToReturn::Neither) {
        value.server_timestamp = None;
    }
    value
}

/// A value that the server makes itself, now.
pub(super) fn own(value: Variant, now: Timestamp) -> DataValue {
    let time = Some(timestamp(now));
    DataValue { source_timestamp: time, server_timestamp: time, ..DataValue::of(value) }
}

/// What a live variable is while the instrument does not answer.
pub(super) fn no_communication(now: Timestamp) -> DataValue {
    let time = Some(timestamp(now));
    DataValue { source_timestamp: time, server_timestamp: time, ..DataValue::bad(StatusCode::BAD_NO_COMMUNICATION) }
}

/// Which elements of an array are meant, from 0, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct IndexRange(usize, usize);

impl IndexRange {
    /// `2` or `1:3`; `None` for an empty text.
    pub fn parse(text: &str) -> Result<Option<Self>, StatusCode> {
        if text.is_empty() {
            return Ok(None);
        }
        let index = |text: &str| text.parse::<usize>().map_err(|_| StatusCode::BAD_INDEX_RANGE_INVALID);
        let range = match text.split_once(':') {
            Some((first, last)) => Self(index(first)?, index(last)?),
            None => Self(index(text)?, index(text)?),
        };
        let is_range = range.0 < range.1 || !text.contains(':');
        if is_range { Ok(Some(range)) } else { Err(StatusCode::BAD_INDEX_RANGE_INVALID) }
    }

    /// That part of a value; a Bad value stays as it is.
    pub fn of(self, mut value: DataValue) -> DataValue {
        if value.status().is_bad() {
            return value;
        }
        match value.value.as_mut().and_then(|value| value.value.as_mut()) {
            Some(Value::Array(Array { elements, dimensions, .. })) if self.0 < elements.len() => {
                elements.truncate(self.1.saturating_add(1));
                elements.drain(..self.0);
                dimensions.clear();
                value
            }
            _ => DataValue { value: None, status_code: StatusCode::BAD_INDEX_RANGE_NO_DATA.0, ..value },
        }
    }
}

/// Whether a value may be written to a variable.
pub(super) fn fits(variable: &Variable, value: &Variant) -> bool {
    let is_array = matches!(value.value, Some(Value::Array(_)));
    // Duration is a Double with a meaning.
    let wanted = if variable.data_type == 290 { 11 } else { variable.data_type };
    is_array == variable.array && built_in_type(value) == wanted
}

/// Which changes of a value count.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct ChangeFilter {
    trigger: DataChangeTrigger,
    /// In the variable's unit.
    deadband: Option<f64>,
}

impl ChangeFilter {
    /// Status or value, without a dead-band.
    pub const PLAIN: Self = Self { trigger: DataChangeTrigger::StatusValue, deadband: None };

    /// Looks a filter through.
    pub fn new(asked: &DataChangeFilter, variable: &Variable) -> Result<Self, StatusCode> {
        let unknown = |_| StatusCode::BAD_MONITORED_ITEM_FILTER_UNSUPPORTED;
        let trigger = match DataChangeTrigger::try_from(asked.trigger).map_err(unknown)? {
            DataChangeTrigger::Unspecified => DataChangeTrigger::StatusValue,
            trigger => trigger,
        };
        let kind = DeadbandType::try_from(asked.deadband_type).map_err(unknown)?;
        if kind == DeadbandType::None {
            return Ok(Self { trigger, deadband: None });
        }
        let value = asked.deadband_value;
        let is_number = matches!(variable.data_type, 2..=11 | 290);
        if !is_number || !value.is_finite() || value < 0.0 {
            return Err(StatusCode::BAD_DEADBAND_FILTER_INVALID);
        }
        let deadband = match (kind, variable.range) {
            (DeadbandType::Percent, Some(range)) if value <= 100.0 => value / 100.0 * (range.high - range.low),
            (DeadbandType::Percent, _) => return Err(StatusCode::BAD_DEADBAND_FILTER_INVALID),
            _ => value,
        };
        Ok(Self { trigger, deadband: Some(deadband) })
    }

    /// Whether `new` is to be told after `last`.
    pub fn passes(self, last: &DataValue, new: &DataValue) -> bool {
        if last.status().without_info() != new.status().without_info() {
            return true;
        }
        match self.trigger {
            DataChangeTrigger::Status => false,
            DataChangeTrigger::StatusValueTimestamp => {
                last.source_timestamp != new.source_timestamp
                    || differ(last.value.as_deref(), new.value.as_deref(), None)
            }
            _ => differ(last.value.as_deref(), new.value.as_deref(), self.deadband),
        }
    }
}

/// Whether two values differ, numbers by more than the dead-band. Two that are no numbers (NaN) are the same.
fn differ(last: Option<&Variant>, new: Option<&Variant>, deadband: Option<f64>) -> bool {
    let (Some(last), Some(new)) = (last, new) else { return last.is_some() != new.is_some() };
    match (&last.value, &new.value) {
        (Some(Value::Array(a)), Some(Value::Array(b))) => {
            a.elements.len() != b.elements.len()
                || a.elements.iter().zip(&b.elements).any(|(a, b)| differ(Some(a), Some(b), deadband))
        }
        _ => match (last.as_f64(), new.as_f64()) {
            (Some(a), Some(b)) if a.is_nan() || b.is_nan() => a.is_nan() != b.is_nan(),
            (Some(a), Some(b)) => deadband.map_or_else(|| last != new, |deadband| (a - b).abs() > deadband),
            _ => last != new,
        },
    }
}

/// An array of texts.
pub fn texts(texts: impl IntoIterator<Item = String>) -> Variant {
    let elements = texts.into_iter().map(instrument_proto::device::text).collect();
    variant(Value::Array(Array { element_type: 12, elements, dimensions: Vec::new() }))
}
