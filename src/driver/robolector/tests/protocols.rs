//! Protocols as an open-source control program really sends them to a STAR: `star-protocols.txt`, each command with its reply under it.
//!
//! The deck is the one of [`super::support::deck`]; the wells that each protocol means stand in its heading.

use super::support::Bench;

const PROTOCOLS: &str = include_str!("star-protocols.txt");

/// Runs the protocol with this heading; all before it are run first when it `goes_on`.
fn run(bench: &mut Bench, heading: &str) {
    let mut on = false;
    for line in PROTOCOLS.lines() {
        if let Some(text) = line.strip_prefix("## ") {
            on = text.starts_with(heading);
        } else if on {
            match line.strip_prefix("  ") {
                Some(reply) => bench.reply(reply),
                None => bench.command(line),
            }
        }
    }
}

fn told(heading: &str) -> Vec<String> {
    let mut bench = Bench::listening("robolector", |deck| deck.liquid_class = Some(super::support::water()));
    run(&mut bench, heading);
    assert!(bench.gaps.is_empty() && bench.defects.is_empty(), "{:?} {:?}", bench.gaps, bench.defects);
    bench.told()
}

#[test]
fn show() {
    for heading in PROTOCOLS.lines().filter_map(|line| line.strip_prefix("## ")) {
        println!("== {heading}");
        let mut bench = Bench::listening("robolector", |deck| deck.liquid_class = Some(super::support::water()));
        run(&mut bench, heading);
        for note in bench.told() {
            println!("{note}");
        }
        println!("{:?} {:?}", bench.gaps, bench.defects);
    }
}
