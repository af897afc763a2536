//! The JSON Schemas fit what is read, and the defaults they name are those that are in force.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::super::file::ConfigTable;
use super::*;
use crate::event::EventType;
use crate::profile::file::ProfileTable;

pub(super) fn config_schema() -> Value {
    schema_of::<ConfigTable>("config", "instrumentd.toml")
}

fn as_json(text: &str) -> Value {
    serde_json::to_value(toml::from_str::<toml::Table>(text).expect("TOML")).expect("JSON")
}

#[test]
fn the_example_and_the_shipped_profiles_fit_their_schemas() {
    let config = jsonschema::validator_for(&config_schema()).expect("a schema");
    config.validate(&as_json(EXAMPLE)).expect("the example fits");
    config.validate(&as_json(&uncommented())).expect("the example with all keys fits");
    let profile = schema_of::<ProfileTable>("profile", "device profile");
    let profile = jsonschema::validator_for(&profile).expect("a schema");
    for name in crate::profile::names() {
        profile.validate(&as_json(crate::profile::text(name).expect("a text"))).expect(name);
    }
}

#[test]
fn the_schema_refuses_what_is_wrong() {
    let config = jsonschema::validator_for(&config_schema()).expect("a schema");
    for (from, to) in [
        ("time_zone =", "time_zon ="),
        ("\"foundry\"", "\"Foundry\""),
        ("devices.bl-1", "devices.BL_1"),
        (".main]\n", ".main]\nwindow = 101\n"),
        ("path =", "keep_for = \"5 minutes\"\npath ="),
        ("path =", "when_full = \"drop\"\npath ="),
        ("{ folder = \"results\" }", "{ watch = \"auto\" }"),
    ] {
        let text = GOOD.replace(from, to);
        assert_ne!(text, GOOD, "{from}");
        assert!(config.validate(&as_json(&text)).is_err(), "{to}");
    }
}

#[test]
fn every_event_type_has_a_schema_that_compiles_and_means_something() {
    for event_type in EventType::ALL {
        let schema = crate::event::schema::data_schema(*event_type);
        let validator = jsonschema::validator_for(&schema);
        assert!(validator.is_ok(), "{}: {validator:?}", event_type.short());
        assert!(validator.is_ok_and(|validator| !validator.is_valid(&json!(7))), "{}", event_type.short());
    }
}

/// The example with the lines that show defaults and further keys taken out of their comments.
fn uncommented() -> String {
    let is_key = |line: &str| {
        let Some(rest) = line.strip_prefix("# ") else { return false };
        let key = rest.trim_start_matches('[').split([' ', ']', '=']).next().unwrap_or_default();
        rest.starts_with('[') || (rest.contains(" = ") && key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))
    };
    let line = |line: &str| if is_key(line) { format!("{}\n", &line[2..]) } else { format!("{line}\n") };
    EXAMPLE.lines().map(line).collect()
}

#[test]
fn the_example_shows_every_key_and_the_true_defaults() {
    let text = uncommented();
    let known = config_schema();
    let mut missing = Vec::new();
    let written = as_json(&text);
    collect_missing(&known, &[&written], "", &mut missing);
    assert_eq!(missing, Vec::<String>::new(), "{text}");

    // With the own profiles and the logins left out, what the comments show changes nothing.
    let quiet = |text: &str| {
        let dropped = ["profiles =", "liquid_class =", "user =", "password_file =", "tls =", "ranges =", "tolerance ="];
        let kept = |line: &&str| !dropped.iter().any(|key| line.starts_with(key));
        let cloud = text.find("# With a client certificate").unwrap_or(text.len());
        let devices = text.find("[devices.biolector-1]").unwrap_or(text.len());
        let text = format!("{}{}", &text[..cloud.min(devices)], &text[devices..]);
        text.lines().filter(kept).map(|line| format!("{line}\n")).collect::<String>()
    };
    let shown = valid(&quiet(&text));
    let silent = valid(&quiet(EXAMPLE));
    assert_eq!(shown.settings, silent.settings);
}

/// The keys of `schema` that none of `written` has; by-name tables are taken together, overrides are not looked into.
fn collect_missing(schema: &Value, written: &[&Value], path: &str, missing: &mut Vec<String>) {
    let empty = Map::new();
    for (key, schema) in schema["properties"].as_object().unwrap_or(&empty) {
        let path = format!("{path}.{key}");
        let found: Vec<&Value> = written.iter().filter_map(|value| value.get(key)).collect();
        if found.is_empty() {
            missing.push(path);
        } else if let Some(each) = schema.get("additionalProperties").filter(|each| each.is_object()) {
            let entries: Vec<&Value> = found.iter().filter_map(|v| v.as_object()).flat_map(Map::values).collect();
            collect_missing(each, &entries, &path, missing);
        } else if key != "overrides" {
            collect_missing(schema, &found, &path, missing);
        }
    }
}

#[test]
fn the_defaults_in_the_schema_are_in_force() {
    // Every default of the schema written out changes nothing.
    let schema = config_schema();
    let defaults = |schema: &Value| {
        let properties = schema["properties"].as_object().cloned().unwrap_or_default();
        let with = |(key, schema): (&String, &Value)| Some(format!("{key} = {}", schema.get("default")?));
        properties.iter().filter_map(with).collect::<Vec<_>>()
    };
    let broker = &schema["properties"]["brokers"]["additionalProperties"];
    let device = &schema["properties"]["devices"]["additionalProperties"];
    let text = GOOD
        .replace("[brokers.main]", &format!("[brokers.main]\n{}", defaults(broker).join("\n")))
        .replace("[journal]", &format!("[journal]\n{}", defaults(&schema["properties"]["journal"]).join("\n")))
        .replace("[devices.bl-1]", &format!("[devices.bl-1]\n{}", defaults(device).join("\n")))
        .replace("\"results\"", &format!("\"results\", {}", defaults(&device["properties"]["files"]).join(", ")))
        + &format!("[log]\n{}\n", defaults(&schema["properties"]["log"]).join("\n"));
    assert_eq!(text.matches(" = ").count() - GOOD.matches(" = ").count(), 17, "{text}");
    let written = valid(&text);
    assert_eq!(written.settings, parsed(GOOD).expect("valid").settings);

    let least = "family = \"biolector-pro\"\nmanufacturer = \"m\"\nmodel = \"m\"\n";
    let schema = schema_of::<ProfileTable>("profile", "device profile");
    let tables = ["units", "tolerance", "times"];
    let all: String = tables
        .iter()
        .map(|table| format!("[{table}]\n{}\n", defaults(&schema["properties"][table]).join("\n")))
        .collect();
    let profile =
        |text: &str| crate::profile::parse("p", "p.toml", text).map_err(|p| p.to_string()).expect("a profile");
    assert_eq!(profile(&format!("{least}{all}")), profile(least));
    assert_eq!(all.matches(" = ").count(), 13, "{all}");
}

#[test]
fn the_journal_is_where_systemd_says_unless_the_file_says_otherwise() {
    let text = GOOD.replace("path = \"journal/journal.db\"", "");
    let path = parsed(&text).expect("valid").settings.journal.path;
    // The test may run under systemd itself.
    let state = std::env::var("STATE_DIRECTORY").unwrap_or_else(|_| "/var/lib/instrumentd".to_owned());
    assert_eq!(path, Path::new(&state).join("journal.db"));
}
