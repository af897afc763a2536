//! JSON Schemas of the event types, from the same types that are serialised.

use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use super::EventType;

/// The JSON Schema (2020-12) of the `data` of `event_type`, as `dataschema` names it.
///
/// Unknown members are allowed: within one version, fields are only added.
pub fn data_schema(event_type: EventType) -> Value {
    let mut generator =
        SchemaSettings::draft2020_12().for_serialize().with(|s| s.inline_subschemas = true).into_generator();
    let mut schema = event_type.data_schema(&mut generator).to_value();
    if let Some(object) = schema.as_object_mut() {
        object.insert("$schema".into(), json!("https://json-schema.org/draft/2020-12/schema"));
        object.insert("$id".into(), json!(event_type.schema_uri()));
        object.insert("title".into(), json!(event_type.full()));
        if let Some(properties) = object.entry("properties").or_insert_with(|| json!({})).as_object_mut() {
            for (name, member) in journal_members() {
                properties.entry(name).or_insert(member);
            }
            if event_type == EventType::Refined {
                properties.insert("disagrees".into(), disagrees());
            }
        }
    }
    schema
}

/// The member that the journal adds to a refinement.
fn disagrees() -> Value {
    json!({
        "type": "array",
        "items": {"enum": ["filterset", "cycle", "value"]},
        "description": "What the file says otherwise than the reading that `causationid` names; absent where both agree."
    })
}

/// The members that the journal adds to the data of any type.
fn journal_members() -> [(&'static str, Value); 5] {
    [
        (
            "revision",
            json!({"type": "integer", "minimum": 1, "description": "1 is the first; a later one supersedes it."}),
        ),
        ("supersedes", json!({"type": "string", "format": "uuid", "description": "The id of the revision before."})),
        ("reason", json!({"type": "string", "description": "Why this revision exists."})),
        (
            "first_sequence",
            json!({"type": "integer", "minimum": 1, "description": "The first sequence that the counts cover."}),
        ),
        (
            "last_sequence",
            json!({"type": "integer", "minimum": 1, "description": "The last sequence that the counts cover."}),
        ),
    ]
}
