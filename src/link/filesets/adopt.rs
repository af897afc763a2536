//! Whose files these are: a set that appears may be one that is known, renamed, moved, or a copy of it.

use super::position::Position;
use crate::driver::set::{At, MemberState, SetName};
use crate::profile::zenotof::Member;

/// A member that was found.
pub type FoundMember = (Member, At, MemberState);

/// What a set that appeared is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whose {
    /// Nobody's: a new one.
    New,
    /// The known set of this name has moved here, with these members.
    Moved(SetName, Vec<FoundMember>),
    /// A copy of the known set of this name, which is still where it was.
    Copy(SetName),
}

/// Finds out whose a set is that appeared. `identity` is that of its `.wiff`, where it can be read. `is_there` says of a member
/// of a known set whether it is still where it was.
pub fn whose<'a>(
    found: &[FoundMember],
    identity: Option<&str>,
    known: &mut dyn Iterator<Item = (&'a SetName, &'a Position)>,
    is_there: &dyn Fn(&At) -> bool,
) -> Whose {
    let known: Vec<(&SetName, &Position)> = known.collect();
    // The very files of a known set: renamed.
    for (name, position) in &known {
        let moved = |(kind, at, state): &&FoundMember| {
            let same = |before: &MemberState| state.file != 0 && before == state;
            position.member(*kind).is_some_and(|(_, old, before)| same(before) && old != at && !is_there(old))
        };
        let moved: Vec<FoundMember> = found.iter().filter(moved).cloned().collect();
        if !moved.is_empty() {
            return Whose::Moved((*name).clone(), moved);
        }
    }
    // The same acquisition by its content: copied, and the old one perhaps removed.
    if let Some(identity) = identity
        && let Some((name, position)) = known.iter().find(|(_, known)| known.identity.as_deref() == Some(identity))
    {
        return match position.member(Member::Wiff) {
            Some((_, at, _)) if is_there(at) => Whose::Copy((*name).clone()),
            _ => Whose::Moved((*name).clone(), found.to_vec()),
        };
    }
    // Members without a `.wiff` say not who they are: the name, the size and the absence of the old one have to do.
    if found.iter().all(|(kind, ..)| *kind != Member::Wiff) {
        for (name, position) in &known {
            let stand_in = |(kind, at, state): &&FoundMember| {
                position.member(*kind).is_some_and(|(_, old, before)| {
                    file_name(old) == file_name(at) && before.size == state.size && !is_there(old)
                })
            };
            let moved: Vec<FoundMember> = found.iter().filter(stand_in).cloned().collect();
            if !moved.is_empty() {
                return Whose::Moved((*name).clone(), moved);
            }
        }
    }
    Whose::New
}

fn file_name(at: &At) -> String {
    at.path.rsplit('/').next().unwrap_or_default().to_lowercase()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn asked(
        found: &[FoundMember],
        identity: Option<&str>,
        known: &BTreeMap<SetName, Position>,
        is_there: &dyn Fn(&At) -> bool,
    ) -> Whose {
        whose(found, identity, &mut known.iter(), is_there)
    }

    fn member(kind: Member, path: &str, file: u64) -> FoundMember {
        let at = At { root: "data".into(), path: path.into() };
        (kind, at, MemberState { size: 10, modified: 5, file })
    }

    fn known() -> BTreeMap<SetName, Position> {
        let members = vec![member(Member::Wiff, "S.wiff", 1), member(Member::Scan, "S.wiff.scan", 2)];
        let position = Position { members, identity: Some("wiff/1".to_owned()), ..Position::new(false) };
        BTreeMap::from([("data/s".into(), position)])
    }

    #[test]
    fn the_same_files_elsewhere_are_a_move_even_one_by_one() {
        let scan = member(Member::Scan, "archive/S.wiff.scan", 2);
        let found = asked(std::slice::from_ref(&scan), None, &known(), &|at| &*at.path == "S.wiff");
        assert_eq!(found, Whose::Moved("data/s".into(), vec![scan]));
    }

    #[test]
    fn the_same_content_is_a_copy_while_the_original_is_there_and_a_move_after() {
        let found = [member(Member::Wiff, "archive/S.wiff", 11), member(Member::Scan, "archive/S.wiff.scan", 12)];
        assert_eq!(asked(&found, Some("wiff/1"), &known(), &|_| true), Whose::Copy("data/s".into()));
        assert_eq!(asked(&found, Some("wiff/1"), &known(), &|_| false), Whose::Moved("data/s".into(), found.to_vec()));
        assert_eq!(asked(&found, Some("wiff/2"), &known(), &|_| false), Whose::New);
        assert_eq!(asked(&found, None, &known(), &|_| false), Whose::New);
    }

    #[test]
    fn a_lone_member_of_another_file_system_is_known_by_name_and_size() {
        let scan = member(Member::Scan, "archive/s.WIFF.scan", 12);
        let (name, moved) = ("data/s".into(), vec![scan.clone()]);
        assert_eq!(asked(&moved, None, &known(), &|_| false), Whose::Moved(name, moved.clone()));
        assert_eq!(asked(&moved, None, &known(), &|_| true), Whose::New);
    }
}
