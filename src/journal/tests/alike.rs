//! Facts that two ways of a device tell of become one event.

use proptest::prelude::*;
use serde_json::Value;

use super::{batch, device, event, json, prepared, reopen, run, settings};
use crate::event::{Alike, Event, Figure, Key, Known, Way, Well};
use crate::journal::{Batch, Committed, Journal};

/// What is told of one reading by one way.
#[derive(Debug, Clone)]
struct Told {
    way: Way,
    cycle: u32,
    filterset: u32,
    well: &'static str,
    elapsed_s: f64,
    value: f64,
}

fn told(way: Way, cycle: u32, filterset: u32, well: &'static str, elapsed_s: f64, value: f64) -> Told {
    Told { way, cycle, filterset, well, elapsed_s, value }
}

impl Told {
    fn event(&self) -> Event {
        let device = device("xt");
        let run = run(&device, "experiment");
        let well: Well = self.well.parse().expect("a well");
        let key = Key::Reading(self.cycle, self.filterset, well);
        let text = format!("{:?} {} {}", self.way, self.elapsed_s, self.value);
        let plain = event(Some(&run), Some(self.cycle), key.clone(), &text);
        let known = match self.way {
            Way::File => {
                let mut refined = event(Some(&run), None, Key::Text(format!("refined/{key:?}")), &text);
                refined.subject = crate::event::Subject::Other("refined".into());
                Known::Instead(Box::new(refined))
            }
            Way::Live | Way::Asked => Known::Keep,
        };
        let figure = |name, value, tolerance, is_strict| Figure { name, value, tolerance, is_strict };
        let alike = Alike {
            about: format!("reading/{}", self.well),
            elapsed_s: Some(self.elapsed_s),
            window_s: 2.0,
            way: self.way,
            figures: vec![
                figure("filterset", f64::from(self.filterset), 0.0, true),
                figure("cycle", f64::from(self.cycle), 0.0, false),
                figure("value", self.value, 0.02, false),
            ],
            known,
        };
        Event { alike: Some(Box::new(alike)), ..plain }
    }
}

async fn commit(journal: &Journal, events: &[Event]) -> Committed {
    let mut batch = batch(&device("xt"), &[]);
    batch.events = events.iter().map(|event| prepared(&device("xt"), event)).collect();
    journal.commit(batch).await.expect("committed")
}

fn all(journal: &Journal) -> Vec<Value> {
    let rows = journal.rows_after(&device("xt"), 0, 10_000).expect("readable");
    rows.iter().map(|row| json(&row.payload)).collect()
}

/// The texts of readings, and of refinements with whether they name a cause.
fn summary(journal: &Journal) -> (Vec<String>, usize) {
    let all = all(journal);
    let is_refined = |event: &&Value| event["subject"] == "refined";
    let plain = all.iter().filter(|event| !is_refined(event));
    let refined: Vec<&Value> = all.iter().filter(is_refined).collect();
    assert!(refined.iter().all(|event| event["causationid"].is_string()), "{refined:?}");
    (plain.map(|event| event["data"]["text"].as_str().unwrap_or_default().to_owned()).collect(), refined.len())
}

#[tokio::test]
async fn a_file_refines_what_was_told_live_and_names_what_it_says_otherwise() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = settings(folder.path());
    let journal = reopen(&settings);
    let live = told(Way::Live, 5, 1, "A01", 100.0, 7.0);
    assert_eq!(commit(&journal, &[live.event()]).await.new, 1);
    // The same key with the same figures; another cycle and value; nothing known of it.
    let file = [told(Way::File, 5, 1, "A01", 101.0, 7.01), told(Way::File, 6, 2, "A01", 170.0, 7.0)];
    let events: Vec<Event> = file.iter().map(Told::event).collect();
    assert_eq!(commit(&journal, &events).await.new, 2);
    let first = all(&journal);
    assert_eq!(first[1]["causationid"], first[0]["id"]);
    assert!(first[1]["data"]["disagrees"].is_null());
    assert!(first[2]["causationid"].is_null());
    // Live again, by asking, and the file once more after a restart: nothing new.
    drop(journal);
    let journal = reopen(&settings);
    let again = [
        live.event(),
        told(Way::Asked, 5, 1, "A01", 99.0, 7.0).event(),
        told(Way::Asked, 4, 1, "A01", 100.0, 7.0).event(),
    ];
    assert_eq!(commit(&journal, &again).await.new, 0);
    assert_eq!(commit(&journal, &events).await.new, 0);
    // What the file has and is told live after it is dropped, even with another cycle.
    assert_eq!(commit(&journal, &[told(Way::Live, 7, 2, "A01", 171.0, 7.0).event()]).await.new, 0);
    // Where the cycle was inferred wrongly the file says so.
    assert_eq!(commit(&journal, &[told(Way::Live, 8, 1, "B01", 300.0, 5.0).event()]).await.new, 1);
    assert_eq!(commit(&journal, &[told(Way::File, 9, 1, "B01", 300.0, 6.0).event()]).await.new, 1);
    let last = all(&journal).pop().expect("an event");
    assert_eq!(last["data"]["disagrees"], serde_json::json!(["cycle", "value"]));
}

#[tokio::test]
async fn something_of_which_nobody_knows_when_it_was_is_flagged() {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = reopen(&settings(folder.path()));
    let device = device("xt");
    let run = run(&device, "experiment");
    let comment = |way, at: Option<f64>, text: &str| {
        let plain = event(Some(&run), None, Key::Text(format!("{way:?}/{at:?}/{text}")), text);
        let about = format!("commented/{text}");
        let alike = Alike { about, elapsed_s: at, window_s: 5.0, way, figures: Vec::new(), known: Known::Keep };
        Event { alike: Some(Box::new(alike)), ..plain }
    };
    commit(&journal, &[comment(Way::Live, None, "hello"), comment(Way::Live, Some(50.0), "again")]).await;
    let file = [
        comment(Way::File, Some(9.0), "hello"),
        comment(Way::File, Some(51.0), "again"),
        comment(Way::File, Some(90.0), "again"),
    ];
    assert_eq!(commit(&journal, &file).await.new, 2);
    let all = all(&journal);
    assert_eq!(all[2]["data"]["flags"], serde_json::json!(["possible-duplicate"]));
    assert_eq!(all[2]["causationid"], all[0]["id"]);
    assert!(all[3]["data"]["flags"].is_null() && all[3]["causationid"].is_null(), "a third one is another comment");
    assert_eq!(commit(&journal, &file).await.new, 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Some readings come live (some of them with the cycle inferred wrongly), the file has all of them: whatever order
    /// and restarts, each reading is told once, and each that was told live first is refined.
    #[test]
    fn each_reading_is_told_once_whichever_way_was_first(
        heard in proptest::collection::vec(0u8..4, 24),
        file_at in 0usize..24,
        restarts in proptest::collection::vec(0usize..24, 0..3),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let folder = tempfile::tempdir().expect("a folder");
        let settings = settings(folder.path());
        let reading = |at: usize, way, cycle: u32, shift: f64| {
            let well = ["A01", "A02", "B02", "B01"][at % 4];
            told(way, cycle, 1 + (at / 4 % 2) as u32, well, 10.0 + 8.0 * at as f64 + shift, at as f64)
        };
        let file: Vec<Event> = (0..24).map(|at| reading(at, Way::File, 1 + at as u32 / 8, 0.0).event()).collect();
        let mut journal = Some(reopen(&settings));
        runtime.block_on(async {
            let mut refined = 0;
            let mut read = 0;
            for (at, how) in heard.iter().enumerate() {
                if restarts.contains(&at) {
                    drop(journal.take());
                    journal = Some(reopen(&settings));
                }
                let journal = journal.as_ref().expect("open");
                let cycle = 1 + at as u32 / 8;
                let live = match how {
                    0 => None,
                    1 => Some(reading(at, Way::Live, cycle, 1.0)),
                    2 => Some(reading(at, Way::Live, cycle + 1, -1.0)),
                    _ => Some(reading(at, Way::Asked, cycle, 0.0)),
                };
                if let Some(live) = live {
                    let new = commit(journal, &[live.event()]).await.new;
                    prop_assert_eq!(new, u64::from(at >= read), "{}", at);
                    refined += usize::from(at >= read);
                }
                if at == file_at {
                    read = at + 1;
                    commit(journal, &file[..read]).await;
                }
            }
            let journal = journal.as_ref().expect("open");
            commit(journal, &file).await;
            commit(journal, &file).await;
            let (texts, refinements) = summary(journal);
            prop_assert_eq!(texts.len(), 24, "{:?}", texts);
            prop_assert_eq!(refinements, refined);
            Ok(())
        })?;
    }
}

#[test]
fn a_batch_counts_what_it_carries_twice() {
    let event = told(Way::File, 1, 1, "A01", 1.0, 1.0).event();
    let mut with = Batch::new(device("xt"), "grpc".into());
    with.events.push(prepared(&device("xt"), &event));
    let mut without = Batch::new(device("xt"), "grpc".into());
    without.events.push(prepared(&device("xt"), &Event { alike: None, ..event }));
    assert!(with.size() > without.size());
}
