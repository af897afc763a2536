//! Values and their types.

use jiff::Timestamp;

use super::status::StatusCode;
use super::v1::variant::Value;
use super::v1::{AttributeId, DataValue, LocalizedText, QualifiedName, SelectClause, Variant};

/// EventQueueOverflowEventType of OPC UA: the event in place of those that a full queue dropped.
pub const QUEUE_OVERFLOW: &str = "i=3035";

/// A value.
pub fn variant(value: Value) -> Variant {
    Variant { value: Some(value) }
}

/// A string value.
pub fn text(text: impl Into<String>) -> Variant {
    variant(Value::String(text.into()))
}

/// A UInt32 value.
pub fn number(number: u32) -> Variant {
    variant(Value::Uint32(number))
}

/// A Double value.
pub fn double(number: f64) -> Variant {
    variant(Value::Double(number))
}

/// A text for people, in English.
pub fn label(text: impl Into<String>) -> LocalizedText {
    LocalizedText { locale: "en".to_owned(), text: text.into() }
}

/// A time as it goes over the wire.
pub fn timestamp(time: Timestamp) -> prost_types::Timestamp {
    let (mut seconds, mut nanos) = (time.as_second(), time.subsec_nanosecond());
    // jiff's fraction has the sign of the whole, the wire's counts up from the second before.
    if nanos < 0 {
        (seconds, nanos) = (seconds - 1, nanos + 1_000_000_000);
    }
    prost_types::Timestamp { seconds, nanos }
}

/// A time from the wire; `None` where there is no such time (the wire can hold fractions and years that are none).
pub fn to_timestamp(wire: &prost_types::Timestamp) -> Option<Timestamp> {
    if !(0..1_000_000_000).contains(&wire.nanos) {
        return None;
    }
    Timestamp::new(wire.seconds, wire.nanos).ok()
}

/// The attribute that a number means: 0 is the value. `None` for what this service does not have.
pub fn attribute(number: i32) -> Option<AttributeId> {
    match AttributeId::try_from(number).ok()? {
        AttributeId::Unspecified => Some(AttributeId::Value),
        attribute => Some(attribute),
    }
}

/// The number of the value's built-in type, OPC UA's; of an array, that of its elements. 0 for null.
pub fn built_in_type(value: &Variant) -> u32 {
    let Some(value) = &value.value else { return 0 };
    match value {
        Value::Boolean(_) => 1,
        Value::Sbyte(_) => 2,
        Value::Byte(_) => 3,
        Value::Int16(_) => 4,
        Value::Uint16(_) => 5,
        Value::Int32(_) => 6,
        Value::Uint32(_) => 7,
        Value::Int64(_) => 8,
        Value::Uint64(_) => 9,
        Value::Float(_) => 10,
        Value::Double(_) => 11,
        Value::String(_) => 12,
        Value::DateTime(_) => 13,
        Value::Guid(_) => 14,
        Value::ByteString(_) => 15,
        Value::XmlElement(_) => 16,
        Value::NodeId(_) => 17,
        Value::ExpandedNodeId(_) => 18,
        Value::StatusCode(_) => 19,
        Value::QualifiedName(_) => 20,
        Value::LocalizedText(_) => 21,
        Value::Structure(_) => 22,
        Value::DataValue(_) => 23,
        Value::Variant(_) => 24,
        Value::Array(array) => array.element_type,
    }
}

impl Variant {
    /// The value as a number, whatever its type; `None` for what is none.
    pub fn as_f64(&self) -> Option<f64> {
        Some(match *self.value.as_ref()? {
            Value::Sbyte(number) | Value::Int16(number) | Value::Int32(number) => f64::from(number),
            Value::Byte(number) | Value::Uint16(number) | Value::Uint32(number) => f64::from(number),
            Value::Int64(number) => number as f64,
            Value::Uint64(number) => number as f64,
            Value::Float(number) => f64::from(number),
            Value::Double(number) => number,
            _ => return None,
        })
    }

    /// The value as text, of a String or a LocalizedText.
    pub fn as_text(&self) -> Option<&str> {
        match self.value.as_ref()? {
            Value::String(text) => Some(text),
            Value::LocalizedText(text) => Some(&text.text),
            _ => None,
        }
    }
}

impl DataValue {
    /// Its status.
    pub fn status(&self) -> StatusCode {
        StatusCode(self.status_code)
    }

    /// A good value, without its times.
    pub fn of(value: Variant) -> Self {
        Self { value: Some(Box::new(value)), ..Self::default() }
    }

    /// A value that there is none of, and why.
    pub fn bad(status: StatusCode) -> Self {
        Self { status_code: status.0, ..Self::default() }
    }
}

impl SelectClause {
    /// The value of a field that stands directly below an event type.
    pub fn field(type_definition_id: &str, namespace_index: u16, name: &str) -> Self {
        let name = QualifiedName { namespace_index: namespace_index.into(), name: name.to_owned() };
        Self {
            type_definition_id: type_definition_id.to_owned(),
            browse_path: vec![name],
            attribute_id: AttributeId::Value.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_before_1970_have_a_fraction_that_counts_up() {
        let time = Timestamp::new(-1, -250_000_000).expect("a time");
        let wire = timestamp(time);
        assert_eq!((wire.seconds, wire.nanos), (-2, 750_000_000));
        assert_eq!(to_timestamp(&wire), Some(time));
        assert_eq!(to_timestamp(&prost_types::Timestamp { seconds: 0, nanos: -1 }), None);
        assert_eq!(to_timestamp(&prost_types::Timestamp { seconds: i64::MAX, nanos: 0 }), None);
    }

    #[test]
    fn fields_and_numbers_of_types_agree() {
        use prost::Message as _;
        let value = variant(Value::DateTime(prost_types::Timestamp::default()));
        // The tag of a length-delimited field is its number times eight, and two.
        assert_eq!(u32::from(value.encode_to_vec()[0] >> 3), built_in_type(&value));
        assert_eq!(built_in_type(&text("A")), 12);
    }
}
