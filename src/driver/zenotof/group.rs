//! Which files belong together: the names of a folder become sets.
//!
//! This stands with the driver and not with the link because it is knowledge of the instrument's names and needs no I/O;
//! the link asks it for each folder that changed.
//!
//! A set's stem is what is left of a name when the longest known suffix is taken off, without regard to case; it may
//! itself hold dots. A glob such as `S.*` would take `S.rerun.wiff` for a member of `S`; a list of suffixes does not.

use crate::profile::zenotof::Member;

/// The suffixes, longest first, so that `.wiff.scan` is found before `.wiff`.
const SUFFIXES: [Member; 6] =
    [Member::Timeseries, Member::Metadata, Member::Scan, Member::Report, Member::Wiff2, Member::Wiff];

/// Ends of names that are no member: journals and temporary files of the data base, of editors and of copying programs.
const TEMPORARY: [&str; 9] =
    ["-journal", "-wal", "-shm", ".tmp", ".temp", ".part", ".partial", ".filepart", ".crdownload"];

/// What a name is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Name<'a> {
    /// A member of the set with this stem, as it is written.
    Member(Member, &'a str),
    /// The rollback journal of the `.wiff2` of the set with this stem: a commit is going on.
    Journal(&'a str),
    /// No part of any set.
    Other,
}

/// Tells what a file's name is.
pub fn classify(name: &str) -> Name<'_> {
    let stem_before = |suffix: &str| {
        let cut = name.len().checked_sub(suffix.len())?;
        let end = name.get(cut..)?;
        end.eq_ignore_ascii_case(suffix).then(|| &name[..cut])
    };
    if let Some(data_base) = stem_before("-journal")
        && let Name::Member(Member::Wiff2, stem) = classify(data_base)
    {
        return Name::Journal(stem);
    }
    // Hidden files, Office's and rsync's copies, and whatever else calls itself temporary.
    let temporary = name.starts_with(['.', '$']) || name.contains('~');
    if temporary || TEMPORARY.iter().any(|end| stem_before(end).is_some()) {
        return Name::Other;
    }
    let member = SUFFIXES.iter().find_map(|member| Some((*member, stem_before(member.suffix())?)));
    match member {
        // A name that is only a suffix names no set.
        Some((member, stem)) if !stem.is_empty() => Name::Member(member, stem),
        _ => Name::Other,
    }
}

/// The key by which members of one folder find each other: their stems differ in case now and then.
pub fn key(stem: &str) -> String {
    stem.to_lowercase()
}

/// A set of names in one folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group<T> {
    /// The stem, as the main file writes it; else as the first member does.
    pub stem: String,
    /// The members, in the order of their kinds: what each is, its name, and what came with the name.
    pub members: Vec<(Member, String, T)>,
    /// A commit into the `.wiff2` is going on.
    pub journal: bool,
}

/// Puts the names of one folder together. Of two names that differ only in case the first in byte order is the member.
pub fn group<T>(names: impl IntoIterator<Item = (String, T)>) -> Vec<Group<T>> {
    let mut all: Vec<(String, T)> = names.into_iter().collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    let mut groups: std::collections::BTreeMap<String, Group<T>> = std::collections::BTreeMap::new();
    let empty = |stem: &str| Group { stem: stem.to_owned(), members: Vec::new(), journal: false };
    for (name, with) in all {
        match classify(&name) {
            Name::Member(member, stem) => {
                let group = groups.entry(key(stem)).or_insert_with(|| empty(stem));
                if group.members.iter().any(|(other, ..)| *other == member) {
                    continue;
                }
                if member == Member::Wiff {
                    stem.clone_into(&mut group.stem);
                }
                group.members.push((member, name, with));
            }
            Name::Journal(stem) => groups.entry(key(stem)).or_insert_with(|| empty(stem)).journal = true,
            Name::Other => {}
        }
    }
    let mut groups: Vec<Group<T>> = groups.into_values().filter(|group| !group.members.is_empty()).collect();
    for group in &mut groups {
        group.members.sort_by_key(|(member, ..)| *member);
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grouped(names: &[&str]) -> Vec<(String, Vec<String>)> {
        let groups = group(names.iter().map(|name| ((*name).to_owned(), ())));
        let members = |group: &Group<()>| group.members.iter().map(|(_, name, ())| name.clone()).collect();
        groups.iter().map(|group| (group.stem.clone(), members(group))).collect()
    }

    fn owned(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn the_longest_suffix_is_taken_off_whatever_its_case() {
        let names = [
            "S_report.txt",
            "S.timeseries.data",
            "S.WIFF2",
            "s.wiff.SCAN",
            "S.wiff",
            "S.SSMetaData",
            "S.rerun.wiff",
            "20260801.v1.2.wiff",
            "20260801.v1.2.wiff.scan",
        ];
        let members = ["S.wiff", "s.wiff.SCAN", "S.WIFF2", "S.timeseries.data", "S.SSMetaData", "S_report.txt"];
        assert_eq!(
            grouped(&names),
            [
                ("20260801.v1.2".to_owned(), owned(&["20260801.v1.2.wiff", "20260801.v1.2.wiff.scan"])),
                ("S".to_owned(), owned(&members)),
                ("S.rerun".to_owned(), owned(&["S.rerun.wiff"])),
            ]
        );
    }

    #[test]
    fn placeholders_journals_and_temporary_names_are_no_members() {
        let names = [
            ".special",
            ".wiff",
            ".wiff.scan",
            "S.wiff.1.~idx2",
            "~S.wiff",
            "S.wiff.tmp",
            "S.wiff.part",
            "S.wiff2-journal",
            "S.wiff2-wal",
            "S.wiff2-shm",
            "S.wiff.md5",
            "S.wiff.scan.partial",
            "notes.txt",
        ];
        assert!(grouped(&names).is_empty());
    }

    #[test]
    fn a_journal_is_seen_beside_its_set() {
        let groups = group(["S.wiff2", "s.wiff2-journal"].map(|name| (name.to_owned(), ())));
        assert_eq!((groups.len(), groups[0].journal, groups[0].members.len()), (1, true, 1));
    }

    #[test]
    fn of_two_names_that_differ_in_case_one_is_the_member_in_any_order() {
        let (one, other) = (["S.wiff", "s.WIFF"], ["s.WIFF", "S.wiff"]);
        assert_eq!(grouped(&one), grouped(&other));
        assert_eq!(grouped(&one), [("S".to_owned(), owned(&["S.wiff"]))]);
    }
}
