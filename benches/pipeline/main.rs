//! What the daemon reaches, each figure as a ratio to a baseline measured in the same run.
//!
//! `scripts/bench` runs it. Absolute figures depend on the machine and are printed only to make the ratios readable.

mod backfill;
mod bare;
mod decode;
mod filesets;
mod footprint;
mod latency;
mod live;
mod place;
mod robot;
mod robots;
mod serial;
#[path = "../../tests/live_biolector/server.rs"]
#[allow(dead_code, reason = "nothing is cut here")]
mod server;
mod services;
mod star;

use std::path::{Path, PathBuf};

/// A real file that a measurement needs; without it the measurement is skipped, visibly.
pub fn real_data(name: &str) -> Option<PathBuf> {
    let found = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .map(|folder| folder.join("shared/data").join(name))
        .find(|candidate| candidate.exists());
    if found.is_none() {
        println!("skipped: real data not present: {name}");
    }
    found
}

/// One line of the result: what was measured, what was wanted, and whether it was reached.
pub fn verdict(what: &str, measured: f64, wanted: Wanted, unit: &str) {
    let (reached, bound) = match wanted {
        Wanted::AtLeast(bound) => (measured >= bound, format!("at least {bound}")),
        Wanted::AtMost(bound) => (measured <= bound, format!("at most {bound}")),
    };
    let mark = if reached { "reached" } else { "MISSED " };
    println!("  {mark}  {what}: {measured:.2} {unit} (wanted: {bound} {unit})");
}

/// A bound.
pub enum Wanted {
    /// As much or more.
    AtLeast(f64),
    /// As much or less.
    AtMost(f64),
}

fn main() {
    // `cargo bench NAME` measures only what is named so.
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let measures: [(&str, fn()); 14] = [
        ("decode", decode::measure),
        ("backfill", backfill::measure),
        ("latency", latency::measure),
        ("live", live::measure),
        ("footprint", footprint::measure),
        ("star", star::measure),
        ("line", serial::line),
        ("burst", serial::burst),
        ("robots", robots::measure),
        ("hashing", filesets::hashing),
        ("scan", filesets::scan),
        ("devices", services::many),
        ("surveys", services::surveys),
        ("notifications", services::one),
    ];
    for (name, measure) in measures {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            println!("{name}");
            measure();
        }
    }
}
