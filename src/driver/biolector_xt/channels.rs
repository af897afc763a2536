//! Which filter set a channel of the remote interface is: whether it counts from 0 or from 1 nothing tells.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The channels of a run, as far as they were named.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Channels {
    /// Names by index, as the list of current values has them.
    listed: BTreeMap<u32, String>,
    /// Names by index, as readings have them.
    heard: BTreeMap<u32, String>,
    /// The index of the first channel, once it is certain.
    base: Option<u32>,
}

/// More channels than an instrument has filters.
const MOST: usize = 64;

impl Channels {
    /// Takes an entry of the list of current values; says whether it is new.
    pub fn list(&mut self, index: u32, name: &str) -> bool {
        if self.listed.len() >= MOST || self.listed.get(&index).is_some_and(|known| known == name) {
            return false;
        }
        self.listed.insert(index, name.to_owned());
        true
    }

    /// Takes the name that a reading carries.
    pub fn hear(&mut self, index: u32, name: &str) {
        if index == 0 {
            self.base = Some(0);
        }
        if self.heard.len() < MOST && !self.heard.contains_key(&index) {
            self.heard.insert(index, name.to_owned());
        }
    }

    /// A whole cycle was heard, so that its lowest index is the first channel's.
    pub fn heard_whole_cycle(&mut self) {
        if self.base.is_none() {
            self.base = self.heard.keys().next().copied();
        }
    }

    /// The filter set of a reading, from 1; `None` while it is not certain.
    pub fn filterset(&self, index: u32, name: &str) -> Option<u32> {
        let mut named = self.listed.iter().filter(|(_, listed)| *listed == name);
        let index = match (named.next(), named.next()) {
            // The list counts as it counts, whatever the stream does.
            (Some((listed, _)), None) if !name.is_empty() => return Some(listed.checked_sub(self.first()?)? + 1),
            _ => index,
        };
        Some(index.checked_sub(self.base.or_else(|| self.first())?)? + 1)
    }

    /// The filter set of an index that readings were heard with.
    pub fn filterset_of(&self, index: u32) -> Option<u32> {
        self.filterset(index, self.heard.get(&index).map_or("", String::as_str))
    }

    /// The names by filter set.
    pub fn names(&self) -> Vec<(u32, String)> {
        let (names, first) = match self.first() {
            Some(first) => (&self.listed, first),
            None => (&self.heard, self.base.unwrap_or(1)),
        };
        names.iter().filter_map(|(index, name)| Some((index.checked_sub(first)? + 1, name.clone()))).collect()
    }

    /// The lowest index of the list.
    fn first(&self) -> Option<u32> {
        self.listed.keys().next().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_is_learnt_from_names_and_lists() {
        for base in [0, 1] {
            let mut channels = Channels::default();
            assert_eq!(channels.filterset(1, "pH(HP8)"), None, "nothing tells yet");
            for (index, name) in (base..).zip(["Biomass3", "pH(HP8)", "DO(PSt3)"]) {
                channels.list(index, name);
            }
            assert_eq!(channels.filterset(base + 1, "pH(HP8)"), Some(2));
            // The stream counts otherwise than the list: the name tells.
            assert_eq!(channels.filterset(base, "pH(HP8)"), Some(2));
            assert_eq!(channels.names()[2], (3, "DO(PSt3)".to_owned()));
        }
        // Without a list: index 0 tells, or a whole cycle.
        let mut channels = Channels::default();
        channels.hear(1, "a");
        channels.hear(2, "b");
        assert_eq!(channels.filterset(2, "b"), None);
        channels.heard_whole_cycle();
        assert_eq!(channels.filterset(2, "b"), Some(2));
        channels = Channels::default();
        channels.hear(0, "a");
        assert_eq!(channels.filterset(2, "c"), Some(3));
        // Two channels of one name are told apart by their index.
        let mut channels = Channels::default();
        channels.list(0, "Biomass");
        channels.list(1, "Biomass");
        assert_eq!((channels.filterset(0, "Biomass"), channels.filterset(1, "Biomass")), (Some(1), Some(2)));
    }
}
