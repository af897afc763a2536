//! Which roots cannot be looked at, and which folders below the others cannot be read; what is told of it.

use std::collections::BTreeSet;

use super::SetEvent;
use super::worker::Worker;
use crate::link::files::FolderState;
use crate::link::outlet::Stopped;

/// Why a root cannot be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Away {
    /// What was found.
    pub reason: String,
    /// What to do.
    pub remedy: Option<String>,
}

/// A folder that cannot be read below a root that can be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Trouble {
    /// Which, and why.
    pub text: String,
    /// What to do.
    pub remedy: Option<String>,
}

/// What was told.
#[derive(Debug, Default)]
pub struct Told {
    /// The folders of the roots that are away, none of them where all are there; `None` before the first look.
    away: Option<Vec<String>>,
    /// Folders that cannot be read.
    trouble: BTreeSet<Trouble>,
}

impl Told {
    /// A folder that cannot be read, and why, where there is one.
    pub fn trouble(&self) -> Option<String> {
        self.trouble.first().map(|trouble| trouble.text.clone())
    }
}

impl Worker {
    /// Tells which roots are away whenever others are than before, and when all are there.
    pub(super) fn tell_away(&mut self) -> Result<(), Stopped> {
        let away: Vec<(String, Away)> = self
            .roots
            .iter()
            .filter_map(|root| Some((root.root.folder.display().to_string(), root.away.clone()?)))
            .collect();
        let folders: Vec<String> = away.iter().map(|(folder, _)| folder.clone()).collect();
        let is_news = self.told.away.as_ref() != Some(&folders);
        if away.is_empty() {
            if is_news {
                self.told.away = Some(folders);
                self.tell_connected()?;
            }
            return Ok(());
        }
        let (reason, remedy) = in_words(&away);
        self.status.send_modify(|status| {
            status.folder = FolderState::Disconnected { reason: reason.clone(), remedy: remedy.clone() };
        });
        if !is_news {
            return Ok(());
        }
        let place = folders.join(", ");
        self.told.away = Some(folders);
        self.outlet.send(SetEvent::Disconnected { place, reason, remedy })
    }

    fn tell_connected(&mut self) -> Result<(), Stopped> {
        self.status.send_modify(|status| status.folder = FolderState::Connected);
        let folders: Vec<String> = self.roots.iter().map(|root| root.root.folder.display().to_string()).collect();
        // What changed while nobody could look is found by looking.
        let open: Vec<_> = self.sets.iter().filter(|(_, set)| set.opened).map(|(name, _)| name.clone()).collect();
        open.iter().for_each(|name| self.want(name));
        self.outlet.send(SetEvent::Connected { place: folders.join(", ") })
    }

    /// Tells of each folder that cannot be read, once, and when all can be. Only a whole look finds that one can be read again.
    pub(super) fn tell_trouble(&mut self, whole: bool, found: BTreeSet<Trouble>) -> Result<(), Stopped> {
        for Trouble { text, remedy } in found.difference(&self.told.trouble).cloned().collect::<Vec<_>>() {
            self.outlet.send(SetEvent::Trouble { set: None, text, remedy })?;
        }
        if !whole {
            self.told.trouble.extend(found);
            return Ok(());
        }
        let is_over = found.is_empty() && !self.told.trouble.is_empty();
        self.told.trouble = found;
        match is_over && self.roots.iter().all(|root| root.away.is_none()) {
            true => self.outlet.send(SetEvent::TroubleOver { set: None }),
            false => Ok(()),
        }
    }
}

/// The reasons and remedies of the roots that are away: each with its folder where they are several and differ.
fn in_words(away: &[(String, Away)]) -> (String, Option<String>) {
    let mut remedies: Vec<&str> = Vec::new();
    for remedy in away.iter().filter_map(|(_, away)| away.remedy.as_deref()) {
        if !remedies.contains(&remedy) {
            remedies.push(remedy);
        }
    }
    let remedy = (!remedies.is_empty()).then(|| remedies.join("; "));
    let first = away.first().map(|(_, away)| away.reason.clone()).unwrap_or_default();
    if away.iter().all(|(_, away)| away.reason == first) {
        return (first, remedy);
    }
    let reasons: Vec<String> = away.iter().map(|(folder, away)| format!("{folder}: {}", away.reason)).collect();
    (reasons.join("; "), remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn away(folder: &str, reason: &str, remedy: Option<&str>) -> (String, Away) {
        (folder.to_owned(), Away { reason: reason.to_owned(), remedy: remedy.map(str::to_owned) })
    }

    #[test]
    fn one_reason_is_said_once_and_others_with_their_folders() {
        let (one, two) = (away("/a", "gone", Some("mount it")), away("/b", "gone", Some("mount it")));
        let said = in_words(&[one.clone(), two]);
        assert_eq!(said, ("gone".to_owned(), Some("mount it".to_owned())));
        let said = in_words(&[one, away("/b", "closed", None), away("/c", "gone", Some("look"))]);
        assert_eq!(said, ("/a: gone; /b: closed; /c: gone".to_owned(), Some("mount it; look".to_owned())));
        assert_eq!(in_words(&[away("/b", "closed", None)]), ("closed".to_owned(), None));
    }
}
