//! The journal against a model: random batches with duplicates and changed content, restarts in the middle.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

/// What a source says: key and content, both from a small set, so that they repeat.
type Said = (u8, u8);

#[derive(Debug, Clone)]
enum Step {
    Commit { device: u8, said: Vec<Said> },
    Settle { device: u8, sequence: u64 },
    Restart,
    Close,
}

fn step() -> impl Strategy<Value = Step> {
    let said = proptest::collection::vec((0u8..12, 0u8..3), 0..20);
    prop_oneof![
        6 => (0u8..3, said).prop_map(|(device, said)| Step::Commit { device, said }),
        2 => (0u8..3, 0u64..60).prop_map(|(device, sequence)| Step::Settle { device, sequence }),
        1 => Just(Step::Restart),
        1 => Just(Step::Close),
    ]
}

/// What the journal should hold of a device.
#[derive(Default)]
struct Model {
    /// The revisions of each key, by content.
    revisions: HashMap<u8, Vec<u8>>,
    /// Key, content and revision of each sequence.
    rows: Vec<(u8, u8, usize)>,
    settled: u64,
}

impl Model {
    /// True when it is new.
    fn say(&mut self, (key, content): Said) -> bool {
        let revisions = self.revisions.entry(key).or_default();
        let new = !revisions.contains(&content);
        if new {
            revisions.push(content);
            self.rows.push((key, content, revisions.len()));
        }
        new
    }
}

fn check(journal: &Journal, name: &DeviceId, model: &Model) {
    let mut ids = std::collections::HashSet::new();
    let mut previous: HashMap<String, String> = HashMap::new();
    let mut sequence = 0;
    loop {
        let rows = journal.rows_after(name, sequence, 7).expect("readable");
        let Some(last) = rows.last() else { break };
        let after = sequence;
        sequence = last.sequence;
        for (at, row) in (after + 1..).zip(&rows) {
            assert_eq!(row.sequence, at, "no hole");
            let (key, content, revision) = model.rows[usize::try_from(at - 1).expect("small")];
            let value = json(&row.payload);
            let id = value["id"].as_str().expect("an id").to_owned();
            assert!(ids.insert(id.clone()), "an id comes once");
            assert_eq!(value["sequence"].as_str().expect("a sequence"), format!("{at:020}"));
            assert_eq!(value["data"]["text"], format!("{content}"));
            let before = previous.insert(format!("{key}"), id);
            assert_eq!(value["data"]["supersedes"].as_str(), before.as_deref());
            assert_eq!(before.is_some(), revision > 1);
        }
    }
    assert_eq!(sequence, model.rows.len() as u64);
    assert_eq!(journal.positions(&broker()).expect("readable").get(name).copied().unwrap_or(0), model.settled);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn sequences_have_no_hole_and_ids_come_once(steps in proptest::collection::vec(step(), 1..30)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let folder = tempfile::tempdir().expect("a folder");
            let settings = settings(folder.path());
            let names: Vec<DeviceId> = (0..3).map(|n| device(&format!("d{n}"))).collect();
            let mut models: Vec<Model> = (0..3).map(|_| Model::default()).collect();
            let mut journal = reopen(&settings);
            let id = journal.id();
            for step in steps {
                match step {
                    Step::Commit { device, said } => {
                        let (name, model) = (&names[usize::from(device)], &mut models[usize::from(device)]);
                        let mut batch = Batch::new(name.clone(), "files".into());
                        let mut new = 0;
                        for (key, content) in said {
                            let e = event(None, None, Key::Cycle(key.into()), &content.to_string());
                            batch.events.push(prepared(name, &e));
                            new += u64::from(model.say((key, content)));
                        }
                        let done = journal.commit(batch).await.expect("open");
                        assert_eq!((done.new, done.last_sequence), (new, model.rows.len() as u64));
                    }
                    Step::Settle { device, sequence } => {
                        let model = &mut models[usize::from(device)];
                        journal.settle(&broker(), &names[usize::from(device)], sequence);
                        model.settled = model.settled.max(sequence.min(model.rows.len() as u64));
                    }
                    // Every handle goes; positions that were not written yet are written at the end.
                    Step::Restart => {
                        drop(journal);
                        journal = reopen(&settings);
                    }
                    Step::Close => {
                        journal.close().await;
                        journal = reopen(&settings);
                    }
                }
                assert_eq!(journal.id(), id);
            }
            for (name, model) in names.iter().zip(&models) {
                check(&journal, name, model);
            }
            journal.close().await;
            journal = reopen(&settings);
            for (name, model) in names.iter().zip(&models) {
                check(&journal, name, model);
            }
            journal.close().await;
        });
    }
}
