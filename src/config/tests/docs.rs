//! `docs/configuration.md` lists every key and every kind of problem as they are.
//!
//! To write the lists anew after a change: `INSTRUMENTD_WRITE_DOCS=1 cargo test --lib config::tests::docs`.

use std::fmt::Write as _;
use std::path::PathBuf;

use serde_json::{Map, Value};

use super::super::codes::{Code, Severity};
use super::schemas::config_schema;

/// The text between the marks `<!-- NAME -->` and `<!-- end of NAME -->`.
fn check(name: &str, expected: &str) {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "docs", "configuration.md"].iter().collect();
    let text = std::fs::read_to_string(&path).expect("the manual");
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->\n"));
    let start = text.find(&begin).expect("a mark") + begin.len();
    let stop = text.find(&end).expect("an end mark");
    if std::env::var_os("INSTRUMENTD_WRITE_DOCS").is_some() {
        std::fs::write(&path, format!("{}{expected}{}", &text[..start], &text[stop..])).expect("written");
    } else {
        assert_eq!(&text[start..stop], expected, "the list of {name} in docs/configuration.md is not up to date");
    }
}

#[test]
fn the_manual_lists_every_key_and_which_mistake_stops_the_daemon() {
    let mut text = String::new();
    keys("", &config_schema(), true, &mut text);
    check("keys", &text);

    let mut table = "| what is said | severity | what it means |\n| --- | --- | --- |\n".to_owned();
    for severity in [Severity::Error, Severity::Warning] {
        for code in Code::ALL.iter().filter(|code| code.severity() == severity) {
            let _ = writeln!(table, "| `{}` | {} | {} |", code.as_str(), severity.as_str(), code.explanation());
        }
    }
    check("problems", &format!("\n{table}\n"));
}

#[test]
fn the_message_in_the_manual_occurs() {
    let said = include_str!("snapshots/instrumentd__config__tests__mistakes__mistakes.snap");
    let manual = include_str!("../../../docs/configuration.md");
    let shown = manual.split("```\nerror[").nth(1).and_then(|rest| rest.split("\n```").next()).expect("a message");
    assert!(said.contains(&format!("error[{shown}")), "{shown}");
}

/// One table for the keys of `schema` and one for each table in it.
fn keys(heading: &str, schema: &Value, must: bool, text: &mut String) {
    let empty = Map::new();
    let properties = schema["properties"].as_object().unwrap_or(&empty);
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    // A range is written in one line, like a value.
    let is_range = |schema: &Value| schema["properties"].as_object().is_some_and(|p| p.keys().eq(["max", "min"]));
    let inner = |schema: &Value| {
        !is_range(schema) && (schema["properties"].is_object() || schema["additionalProperties"].is_object())
    };
    let shown = if heading.is_empty() { "At the top of the file".to_owned() } else { format!("`[{heading}]`") };
    let values: Vec<_> = properties.iter().filter(|(_, schema)| heading.is_empty() || !inner(schema)).collect();
    if !values.is_empty() {
        let _ = write!(text, "\n### {shown}\n\n");
        if let Some(about) = schema["description"].as_str().filter(|_| !heading.is_empty()) {
            let must = if must { " Must be given." } else { "" };
            let _ = write!(text, "{about}{must}\n\n");
        }
        let _ = write!(text, "| key | default | meaning |\n| --- | --- | --- |\n");
    }
    for (key, schema) in values {
        let default = match schema.get("default") {
            _ if required.iter().any(|name| name == key) => "must be given".to_owned(),
            Some(default) => format!("`{default}`"),
            None if is_range(schema) => "as `{ min = 0, max = 1 }`".to_owned(),
            None => String::new(),
        };
        let mut about = schema["description"].as_str().unwrap_or_default().to_owned();
        for choice in schema["oneOf"].as_array().into_iter().flatten().filter(|choice| choice["const"].is_string()) {
            let meaning = choice["description"].as_str().unwrap_or_default().trim_end_matches('.');
            let _ = write!(about, " `{}`: {meaning}.", choice["const"]);
        }
        let _ = writeln!(text, "| `{key}` | {default} | {about} |");
    }
    for (key, schema) in properties.iter().filter(|(_, schema)| inner(schema)) {
        let path = if heading.is_empty() { key.clone() } else { format!("{heading}.{key}") };
        match schema.get("additionalProperties").filter(|each| each.is_object()) {
            Some(each) => keys(&format!("{path}.NAME"), each, false, text),
            None => keys(&path, schema, required.iter().any(|name| name == key), text),
        }
    }
    if heading.is_empty() {
        text.push('\n');
    }
}
