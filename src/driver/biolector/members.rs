//! Members beside a table, and heads that are rewritten in place.

use instrument_proto::codec::biolector::xt;
use sha2::{Digest, Sha256};

use super::facts::Family;
use super::head;
use super::source::{Source, Stage};
use crate::driver::Effects;

impl Source {
    pub fn member(&mut self, name: &str, bytes: &[u8], effects: &mut Effects) {
        let member = xt::Member::of(name);
        if matches!(self.stage, Stage::Dormant | Stage::Refused) {
            if member != xt::Member::Other {
                self.reread(effects);
            }
            return;
        }
        match member {
            xt::Member::Meta => match xt::meta(bytes) {
                Ok(meta) => self.meta(meta, effects),
                Err(error) => {
                    let reason = format!("member `{name}`: {error}");
                    self.refuse(
                        "unreadable-member",
                        reason,
                        "export the experiment from the instrument again",
                        effects,
                    );
                }
            },
            // Without them channels and references are not known; the readings stand without, and say so.
            xt::Member::Protocol => {
                // Other json members, of other versions of the software, name neither channels nor a plate.
                let told = |protocol: &xt::Protocol| !protocol.channels.is_empty() || protocol.microplate.is_some();
                if let Some(protocol) = xt::protocol(bytes).ok().filter(told) {
                    self.members.protocol = Some(protocol);
                    self.changed_member(0, bytes, effects);
                }
            }
            xt::Member::FilterSettings => {
                self.members.references = xt::filter_settings(bytes).unwrap_or_default();
                self.changed_member(1, bytes, effects);
            }
            xt::Member::Other => {}
        }
    }

    pub fn changed_member(&mut self, which: usize, bytes: &[u8], effects: &mut Effects) {
        let digest = digest(&[bytes]);
        if let Some(slot) = self.members.digests.get_mut(which) {
            *slot = digest;
        }
        if let Stage::Running(run) = &self.stage
            && run.facts.members.get(which) != Some(&digest)
        {
            self.reread(effects);
        }
    }

    pub fn meta(&mut self, meta: xt::Meta, effects: &mut Effects) {
        if let Stage::Running(run) = &mut self.stage {
            let same = meta.experiment_id().as_deref() == Some(run.facts.run_id.as_str())
                || self.context.stated_run_id.is_some();
            if !same || meta.start != run.facts.instrument_time {
                self.reread(effects);
            } else if run.facts.end != meta.end {
                run.facts.end.clone_from(&meta.end);
                run.changed.facts = true;
            }
        }
        self.members.meta = Some(meta);
    }

    pub fn head(&mut self, bytes: &[u8], effects: &mut Effects) {
        if let Stage::Running(run) = &mut self.stage
            && run.facts.family == Family::One
            && let Ok(end) = head::rewritten(&run.facts.head, bytes)
        {
            if let Some(end) = end {
                let start = run.facts.instrument_time.as_deref().unwrap_or_default();
                let end = Some(end).filter(|end| end != start);
                run.changed.facts |= run.facts.end != end;
                run.facts.end = end;
            }
            return;
        }
        self.reread(effects);
    }
}

fn digest(parts: &[&[u8]]) -> u64 {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().iter().take(8).fold(0, |value, byte| (value << 8) | u64::from(*byte))
}
