//! What a subscriber got, held against what the journal has.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// A device, and an event's place among its events.
pub type Place = (String, u64);

/// Where an event stands.
pub fn place(event: &Value) -> Place {
    let device = event["partitionkey"].as_str().expect("a device").to_owned();
    (device, event["sequence"].as_str().and_then(|text| text.parse().ok()).expect("a sequence"))
}

/// Asserts that all deliveries, in the order of their arrival, are events of the journal: for each device 1, 2, 3 … without a
/// hole and in order, each id at one place, and what was delivered more than once the same each time.
pub fn assert_as_recorded(deliveries: &[Value], journal: &[Value]) {
    let journal: BTreeMap<Place, &Value> = journal.iter().map(|event| (place(event), event)).collect();
    let mut heard = BTreeSet::new();
    let mut ids = BTreeSet::new();
    let mut last: BTreeMap<String, u64> = BTreeMap::new();
    for event in deliveries {
        let (device, sequence) = place(event);
        assert_eq!(journal.get(&(device.clone(), sequence)), Some(&event), "it is not what the journal has there");
        if !heard.insert((device.clone(), sequence)) {
            continue;
        }
        assert!(ids.insert(event["id"].as_str().expect("an id").to_owned()), "one id at two places: {event}");
        let last = last.entry(device).or_default();
        assert_eq!(sequence, *last + 1, "a hole, or out of order: {event}");
        *last = sequence;
    }
}
