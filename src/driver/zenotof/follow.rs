//! One set on its way: what each look, timer and digest means for it.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::Context;
use super::identity;
use super::judge::{Judgement, Verdict, evidence, judge};
use super::state::{Due, Grown, Kept, Phase, State, Wait};
use super::tell::{after, start};
use crate::driver::set::{Hashed, MemberSeen, Observation, SetInput, SetName};
use crate::driver::{Effects, Request, Timer, TimerChange};
use crate::event::acquisition::{Evidence, Problem};

/// The name of a set's timer.
pub const TIMER: &str = "set";

/// The shortest rest: where there is proof that nothing more is to come, what is being written still has so long to show it.
const CALM: Duration = Duration::from_secs(1);

/// The shortest slice of the settling time.
const SHORTEST: Duration = Duration::from_millis(100);

/// A set that is followed.
pub struct Set {
    pub(super) name: SetName,
    pub(super) context: Arc<Context>,
    pub(super) state: State,
    /// The folder, and from when to when it was measured as far as is known: of the last look.
    pub(super) span: Option<(String, Timestamp, Timestamp)>,
    /// The next acquisition in the folder, once it began. Not kept: what began after a restart is seen again.
    pub(super) next: Option<Arc<str>>,
}

impl Set {
    /// From its snapshot.
    pub fn open(name: SetName, context: Arc<Context>, parts: &[(String, Vec<u8>)]) -> Self {
        Self { name, context, state: State::read(parts).unwrap_or_default(), span: None, next: None }
    }

    /// Takes an input.
    pub fn take(&mut self, input: SetInput<'_>, now: Timestamp, effects: &mut Effects) {
        match input {
            SetInput::Opened { .. } | SetInput::Closed => return,
            SetInput::Looked(look) => self.looked(look, now, effects),
            SetInput::Expected { samples, batch } => {
                let expected = Some((samples, Arc::from(batch)));
                if self.state.expected == expected {
                    return;
                }
                self.state.expected = expected;
                self.hurry(effects);
            }
            SetInput::Hashed(hashed) => self.hashed(hashed, effects),
            SetInput::Ended => self.ask(Due::Final, effects),
        }
        if self.is_at_rest() && matches!(input, SetInput::Looked(_)) {
            effects.requests.push(Request::Rest(self.name.clone()));
        }
        self.state.write(&self.name, effects);
    }

    /// Its timer ran out.
    pub fn timer(&mut self, effects: &mut Effects) {
        if let Some(wait) = self.state.wait.take() {
            self.ask(Due::Waited(wait), effects);
            self.state.write(&self.name, effects);
        }
    }

    /// Whether nothing is waited for.
    pub fn is_at_rest(&self) -> bool {
        let over = matches!(self.state.phase, Phase::Ended | Phase::Incomplete);
        over && self.state.wait.is_none() && self.state.due.is_none()
    }

    /// Something outside the set speaks for its end: look soon.
    pub fn hurry(&mut self, effects: &mut Effects) {
        if self.state.phase == Phase::Settling && self.state.wait.is_some() {
            self.wait(Wait::Calm, effects);
        }
    }

    pub(super) fn ask(&mut self, due: Due, effects: &mut Effects) {
        self.state.due = Some(due);
        effects.requests.push(Request::Look(self.name.clone()));
    }

    pub(super) fn wait(&mut self, wait: Wait, effects: &mut Effects) {
        let profile = &self.context.profile;
        let after = match wait {
            Wait::Calm => CALM,
            Wait::Settle => (profile.stable_for / profile.stable_polls.max(1)).max(SHORTEST),
            Wait::Overdue if self.state.phase == Phase::Converting => profile.conversion,
            Wait::Overdue => profile.idle,
        };
        self.state.wait = Some(wait);
        effects.timers.push(TimerChange::Set(self.clock(), after));
    }

    pub(super) fn rest(&mut self, effects: &mut Effects) {
        if self.state.wait.take().is_some() {
            effects.timers.push(TimerChange::Cancel(self.clock()));
        }
    }

    fn clock(&self) -> Timer {
        Timer { source: self.name.clone(), name: TIMER }
    }

    fn looked(&mut self, look: &Observation, now: Timestamp, effects: &mut Effects) {
        let judgement = judge(look, &self.context.profile.required);
        self.recognise(look, &judgement, effects);
        self.span = span(look);
        let before = self.state.phase;
        let print = print(look);
        let changed = print != self.state.print;
        if matches!(before, Phase::Ended | Phase::Rechecking) {
            self.after_end(look, &judgement, (print, changed), now, effects);
        } else if changed {
            self.changed(look, &judgement, print, effects);
        } else {
            self.unchanged(look, &judgement, effects);
        }
        if self.state.phase != before {
            self.operate(look, effects);
        }
    }

    /// Finds out who the set is. Another acquisition under the same name begins anew.
    fn recognise(&mut self, look: &Observation, judgement: &Judgement, effects: &mut Effects) {
        let Some(found) = look.wiff.as_ref().and_then(identity::own) else { return };
        match &self.state.identity {
            Some(known) if *known == found => return,
            Some(_) => {
                let open = !matches!(self.state.phase, Phase::Ended | Phase::Rechecking | Phase::Incomplete);
                if open && self.state.told.started {
                    let replaced = "another acquisition has its name now";
                    let problem = |code| Problem {
                        code,
                        text: replaced.to_owned(),
                        path: None,
                        expected_bytes: None,
                        found_bytes: None,
                    };
                    let lost = Judgement { problems: vec![problem("replaced")], ..judgement.clone() };
                    self.tell_incomplete(look, &lost, vec![evidence("replaced", replaced)], effects);
                }
                let expected = self.state.expected.take();
                self.state = State { expected, ..State::default() };
            }
            None => {}
        }
        self.state.identity = Some(found);
    }

    /// Something about the set is other than before.
    pub(super) fn changed(&mut self, look: &Observation, judgement: &Judgement, print: u64, effects: &mut Effects) {
        let state = &mut self.state;
        (state.print, state.looks, state.due, state.hashing) = (print, 0, None, 0);
        state.hashes.retain(|hashed| look.members.iter().any(|member| is_same(hashed, member)));
        state.hollow |= judgement.hollow;
        state.phase = match judgement.verdict {
            Verdict::Whole => Phase::Settling,
            Verdict::Converting => Phase::Converting,
            Verdict::Open if state.identity.is_some() => Phase::Acquiring,
            Verdict::Open => Phase::Seen,
        };
        self.note_growth(look, judgement);
        self.tell_started(look, effects);
        self.tell_progress(look, effects);
        self.tell_samples(look, judgement, false, effects);
        self.plan(look, judgement, effects);
    }

    /// Decides for what to wait.
    fn plan(&mut self, look: &Observation, judgement: &Judgement, effects: &mut Effects) {
        let wait = match judgement.verdict {
            Verdict::Whole if !self.shortcut(look, judgement).is_empty() => Wait::Calm,
            Verdict::Whole if self.awaits_samples(judgement) => Wait::Overdue,
            Verdict::Whole => Wait::Settle,
            Verdict::Converting if !self.state.told.converting => Wait::Settle,
            Verdict::Converting | Verdict::Open => Wait::Overdue,
        };
        self.wait(wait, effects);
    }

    /// The proof, beside its own content, that nothing more comes to a whole set.
    fn shortcut(&self, look: &Observation, judgement: &Judgement) -> Vec<Evidence> {
        let mut found = Vec::new();
        if self.state.hollow {
            return found;
        }
        if let Some(next) = &self.next {
            found.push(evidence("next-acquisition", format!("`{next}` began in the same folder after its last scan")));
        }
        if let Some(behind) = look.behind_s.filter(|behind| *behind >= self.context.profile.idle.as_secs()) {
            found.push(evidence("old-files", format!("its last change is {behind} s before that of the newest file")));
        }
        if let Some((expected, batch)) = &self.state.expected
            && judgement.samples >= *expected
            && judgement.all_logged
        {
            let samples = judgement.samples;
            found.push(evidence("expected-samples", format!("{samples} came, the batch `{batch}` wants {expected}")));
        }
        found
    }

    fn awaits_samples(&self, judgement: &Judgement) -> bool {
        self.state.expected.as_ref().is_some_and(|(expected, _)| judgement.samples < *expected)
    }

    /// The set is as it was: the answer to a question, or a restart.
    fn unchanged(&mut self, look: &Observation, judgement: &Judgement, effects: &mut Effects) {
        let Some(due) = self.state.due.take() else {
            if self.state.phase == Phase::Hashing {
                self.hash(look, effects);
            }
            return;
        };
        let whole = judgement.verdict == Verdict::Whole;
        match due {
            Due::Sealed if whole && self.is_hashed(look) => self.finish(look, judgement, effects),
            Due::Sealed if whole => self.hash(look, effects),
            Due::Final if whole => self.hash(look, effects),
            Due::Final => self.incomplete(look, judgement, evidence("as-it-lies", "nothing was waited for"), effects),
            Due::Waited(Wait::Calm) if whole && !self.shortcut(look, judgement).is_empty() => self.hash(look, effects),
            Due::Waited(Wait::Settle) if judgement.verdict != Verdict::Open => {
                self.state.looks += 1;
                if self.state.looks < self.context.profile.stable_polls {
                    self.wait(Wait::Settle, effects);
                } else if whole {
                    self.hash(look, effects);
                } else {
                    self.tell_converting(look, effects);
                    self.plan(look, judgement, effects);
                }
            }
            Due::Waited(Wait::Overdue) if whole => self.hash(look, effects),
            Due::Waited(Wait::Overdue) => {
                let rule = if judgement.verdict == Verdict::Converting { "conversion-timeout" } else { "idle" };
                let waited = match judgement.verdict {
                    Verdict::Converting => self.context.profile.conversion,
                    _ => self.context.profile.idle,
                };
                let text = format!("nothing changed for {} s", waited.as_secs());
                self.incomplete(look, judgement, evidence(rule, text), effects);
            }
            Due::Sealed | Due::Waited(_) => self.plan(look, judgement, effects),
        }
    }

    /// Asks for the digests that are not there yet.
    pub(super) fn hash(&mut self, look: &Observation, effects: &mut Effects) {
        self.rest(effects);
        let known = |member: &&MemberSeen| !self.state.hashes.iter().any(|hashed| is_same(hashed, member));
        let wanted: Vec<MemberSeen> = look.members.iter().filter(known).cloned().collect();
        if self.state.phase != Phase::Rechecking {
            self.state.phase = Phase::Hashing;
        }
        self.state.hashing = u32::try_from(wanted.len()).unwrap_or(u32::MAX);
        if wanted.is_empty() {
            self.ask(Due::Sealed, effects);
        } else {
            effects.requests.push(Request::Hash { set: self.name.clone(), members: wanted });
        }
    }

    /// Whether there is a digest of each member as it is.
    pub(super) fn is_hashed(&self, look: &Observation) -> bool {
        let has_digest = |member: &MemberSeen| self.state.hashes.iter().any(|hashed| is_same(hashed, member));
        look.members.iter().all(has_digest)
    }

    fn hashed(&mut self, hashed: &Hashed, effects: &mut Effects) {
        let state = &mut self.state;
        if !matches!(state.phase, Phase::Hashing | Phase::Rechecking) || state.hashing == 0 {
            return;
        }
        state.hashes.retain(|other| other.kind != hashed.kind);
        state.hashes.push(hashed.clone());
        state.hashing -= 1;
        if state.hashing == 0 {
            self.ask(Due::Sealed, effects);
        }
    }

    /// The set is whole, has been at rest, and was still the same after its digests were made.
    fn finish(&mut self, look: &Observation, judgement: &Judgement, effects: &mut Effects) {
        let mut rules = judgement.evidence.clone();
        let shortcut = self.shortcut(look, judgement);
        if shortcut.is_empty() && self.state.looks > 0 {
            let (looks, time) = (self.state.looks, self.context.profile.stable_for.as_secs());
            rules.push(evidence("unchanged", format!("in {looks} looks over {time} s")));
        }
        rules.extend(shortcut);
        if self.awaits_samples(judgement)
            && let Some((expected, batch)) = &self.state.expected
        {
            let text =
                format!("{} came, the batch `{batch}` wants {expected}, and nothing more came", judgement.samples);
            rules.push(evidence("fewer-samples", text));
        }
        rules
            .push(evidence("hashed-unchanged", "sizes and times were the same before and after its digests were made"));
        if self.state.identity.is_none() {
            self.state.identity = Some(identity::of_content(look));
        }
        self.tell_started(look, effects);
        self.tell_samples(look, judgement, true, effects);
        self.tell_plan(look, effects);
        let Some(teller) = self.teller(look) else { return };
        let mut event = teller.ended(judgement, rules, &self.state);
        let told = &mut self.state.told;
        let count = if judgement.ends_aborted { &mut told.aborted } else { &mut told.completed };
        *count += 1;
        event.revision = *count;
        event.reason = (*count > 1).then(|| "its files changed after they were complete".into());
        effects.events.push(event);
        self.state.phase = Phase::Ended;
        let members = std::mem::take(&mut self.state.hashes);
        effects.requests.push(Request::Manifest { set: self.name.clone(), members: members.clone() });
        self.state.kept = Some(Kept { members, samples: judgement.samples });
        self.rest(effects);
    }

    fn incomplete(&mut self, look: &Observation, judgement: &Judgement, why: Evidence, effects: &mut Effects) {
        self.state.phase = Phase::Incomplete;
        self.rest(effects);
        if self.state.identity.is_none() {
            self.state.identity = Some(identity::of_content(look));
        }
        self.tell_samples(look, judgement, true, effects);
        let rules = judgement.evidence.iter().cloned().chain([why]).collect();
        self.tell_incomplete(look, judgement, rules, effects);
    }

    /// Notes whether the set is being measured here and now: its last sample has more scans than before, or it was whole and
    /// has more samples. What is copied in does neither.
    fn note_growth(&mut self, look: &Observation, judgement: &Judgement) {
        let Some(last) = look.wiff.as_ref().and_then(|wiff| wiff.samples.last()) else { return };
        let records = last.scans.as_ref().map_or(0, |scans| scans.records);
        let whole = judgement.verdict == Verdict::Whole;
        let grew = self.state.grown.is_some_and(|before| {
            (last.index == before.sample && before.records > 0 && records > before.records)
                || (before.whole && last.index > before.sample)
        });
        self.state.lives |= grew;
        self.state.grown = Some(Grown { sample: last.index, records, whole });
    }
}

/// Whether a digest is of this very file as it is.
pub fn is_same(hashed: &Hashed, member: &MemberSeen) -> bool {
    hashed.kind == member.kind && hashed.state == member.state && hashed.at == member.at
}

/// A digest of everything by which two looks can differ.
fn print(look: &Observation) -> u64 {
    let mut hash = Sha256::new();
    for member in &look.members {
        let state = member.state;
        let at = (&*member.at.root, &*member.at.path);
        hash.update(format!("{:?}{at:?}{}/{}/{}\0", member.kind, state.size, state.modified, state.file));
    }
    hash.update(format!("{}{}{:?}", look.journal, look.hollow, look.wiff2));
    if let Some(scan) = &look.scan {
        scan.findings.iter().for_each(|finding| hash.update(finding.to_string()));
    }
    if let Some(wiff) = &look.wiff {
        hash.update(format!("{:?}{:?}", wiff.container, wiff.sample_count));
        for sample in &wiff.samples {
            let records = sample.scans.as_ref().map(|scans| (scans.records, scans.left_over, scans.data_length));
            let log = sample.log.as_ref().map(|log| (log.read, log.end.is_some()));
            hash.update(format!("{}{records:?}{log:?}\0", sample.index));
        }
    }
    let digest = hash.finalize();
    u64::from_be_bytes(std::array::from_fn(|i| digest[i]))
}

/// The folder of a set, and from when to when it was measured as far as is known.
fn span(look: &Observation) -> Option<(String, Timestamp, Timestamp)> {
    let main = look.members.first()?;
    let folder = main.at.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let samples = &look.wiff.as_ref()?.samples;
    let first = start(samples.first()?)?;
    let last = samples.last()?;
    let elapsed = last.scans.as_ref().ok().and_then(|scans| scans.elapsed_s()).unwrap_or(0.0);
    let end = last.end().ok().or_else(|| after(start(last)?, elapsed)).unwrap_or(first);
    Some((format!("{}/{folder}", main.at.root), first, end.max(first)))
}
