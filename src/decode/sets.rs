//! Judging file sets offline: as they lie, without waiting.

use std::fmt;
use std::io::Write;
use std::path::Path;

use jiff::Timestamp;

use super::DecodeError;
use crate::driver::set::SetInput;
use crate::driver::{Driver, Effects, Input, Request};
use crate::event::envelope::Origin;
use crate::event::{Body, Event, Ingest, Prepared};
use crate::link::filesets::{OfflineSet, sets_at};

/// What was found of each set, for a person.
#[derive(Debug, Default)]
pub struct Verdicts {
    events: u64,
    lines: Vec<String>,
    whole: usize,
}

impl Verdicts {
    /// Whether there is not one whole set.
    pub fn none_is_whole(&self) -> bool {
        self.whole == 0
    }

    fn count(&mut self, set: &OfflineSet, event: &Event) {
        self.events += 1;
        match &event.body {
            Body::AcquisitionCompleted(ended) => {
                self.whole += 1;
                self.lines.push(format!("{}: complete, {} samples", set.name, ended.samples));
            }
            Body::AcquisitionAborted(ended) => {
                self.whole += 1;
                self.lines.push(format!("{}: whole, {} samples, the last one aborted", set.name, ended.samples));
            }
            Body::AcquisitionIncomplete(incomplete) => {
                self.lines.push(format!("{}: incomplete", set.name));
                self.lines
                    .extend(incomplete.problems.iter().map(|problem| format!("  {}: {}", problem.code, problem.text)));
            }
            _ => {}
        }
    }
}

impl fmt::Display for Verdicts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} event{}", self.events, if self.events == 1 { "" } else { "s" })?;
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// Judges the sets at `path`, and writes each event as a line of JSON to `out`. `progress` is told the bytes of the sets done
/// and of all.
///
/// # Errors
///
/// When there is no set, one cannot be read, or the events cannot be written.
pub fn decode_sets(
    path: &Path,
    mut driver: Box<dyn Driver>,
    origin: Origin,
    out: &mut dyn Write,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Verdicts, DecodeError> {
    let sets = sets_at(path)?;
    let total = sets.iter().map(|set| set.size).sum();
    let (mut verdicts, mut done) = (Verdicts::default(), 0);
    for set in &sets {
        let origin = Origin { ingest: Ingest::Backfill, position: Some(set.name.clone()), ..origin.clone() };
        let mut write = |events: &[Event]| -> Result<(), DecodeError> {
            for event in events {
                verdicts.count(set, event);
                let line = Prepared::new(event, &origin).render_offline();
                out.write_all(&line).and_then(|()| out.write_all(b"\n")).map_err(DecodeError::Write)?;
            }
            Ok(())
        };
        judge(set, driver.as_mut(), &mut write)?;
        done += set.size;
        progress(done, total);
    }
    out.flush().map_err(DecodeError::Write)?;
    Ok(verdicts)
}

/// Gives one set to the driver, and everything that the driver asks for.
fn judge(
    set: &OfflineSet,
    driver: &mut dyn Driver,
    write: &mut dyn FnMut(&[Event]) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    let mut asked = std::collections::VecDeque::new();
    let mut give = |input: SetInput<'_>, asked: &mut std::collections::VecDeque<Request>| {
        let mut effects = Effects::default();
        driver.handle(Input::Set(&set.name, input), Timestamp::UNIX_EPOCH, &mut effects);
        asked.extend(effects.requests);
        write(&effects.events)
    };
    give(SetInput::Opened { snapshot: &[] }, &mut asked)?;
    give(SetInput::Looked(&set.look()?), &mut asked)?;
    give(SetInput::Ended, &mut asked)?;
    while let Some(request) = asked.pop_front() {
        match request {
            Request::Look(_) => give(SetInput::Looked(&set.look()?), &mut asked)?,
            Request::Hash { members, .. } => {
                for member in &members {
                    match set.hash(member)? {
                        Some(hashed) => give(SetInput::Hashed(&hashed), &mut asked)?,
                        // It is being written: as it lies now, then once more to the end.
                        None => {
                            give(SetInput::Looked(&set.look()?), &mut asked)?;
                            give(SetInput::Ended, &mut asked)?;
                            break;
                        }
                    }
                }
            }
            // Nothing is kept, nothing written.
            Request::Rest(_)
            | Request::Manifest { .. }
            | Request::Reread(_)
            | Request::Send { .. }
            | Request::Ask(_) => {}
        }
    }
    give(SetInput::Closed, &mut asked)
}
