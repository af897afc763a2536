use std::path::Path;

mod docs;
mod mistakes;
mod schemas;
mod settings;

use super::*;

const EXAMPLE: &str = include_str!("../../docs/instrumentd.example.toml");

/// A configuration without a mistake, to make one in.
const GOOD: &str = r#"[site]
id = "foundry"
node = "gateway-1"

[journal]
path = "journal/journal.db"

[brokers.main]
host = "localhost"

[devices.bl-1]
profile = "biolector-pro"
time_zone = "Europe/Berlin"
files = { folder = "results" }
"#;

fn parsed(text: &str) -> Result<Loaded, Problems> {
    parse(text, "instrumentd.toml", Path::new("/etc/instrumentd"))
}

/// What a configuration without an error says; shows the errors where there are some.
fn valid(text: &str) -> Loaded {
    parsed(text).unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn the_example_is_valid() {
    assert_eq!(valid(EXAMPLE).warnings, []);
}

#[test]
fn a_small_configuration_is_complete() {
    let loaded = parsed(GOOD).expect("valid");
    assert_eq!(loaded.warnings, []);
    assert_eq!(loaded.settings.journal.path, Path::new("/etc/instrumentd/journal/journal.db"));
}
