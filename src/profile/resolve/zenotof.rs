//! The tables of a profile of a ZenoTOF.

use super::super::file::{FileSetsTable, ProfileTable};
use super::super::zenotof::{Member, ZenotofProfile};
use crate::config::codes::Code;
use crate::config::reader::Reader;

pub(super) fn zenotof(table: &ProfileTable, reader: &mut Reader) -> ZenotofProfile {
    let mut profile = ZenotofProfile::default();
    if let Some(at) = &table.file_sets {
        put(&at.value, &mut profile, reader);
    }
    profile
}

/// Puts what a table says into `profile`.
pub(super) fn put(sets: &FileSetsTable, profile: &mut ZenotofProfile, reader: &mut Reader) {
    if let Some(at) = &sets.required {
        profile.required = at.value.iter().map(|member| member.value.0).collect();
        profile.required.sort_unstable();
        profile.required.dedup();
        if !profile.required.contains(&Member::Wiff) {
            reader
                .report(Code::OutOfRange, at.span.clone(), "a set without its `.wiff` tells nothing")
                .help("add \".wiff\" to the required members");
        }
    }
    if let Some(at) = &sets.stable_polls {
        profile.stable_polls = u32::try_from(at.value.0).unwrap_or(profile.stable_polls);
    }
    if let Some(at) = &sets.stable_for {
        profile.stable_for = at.value.0;
    }
    if let Some(at) = &sets.idle {
        profile.idle = at.value.0;
    }
    if let Some(at) = &sets.conversion {
        profile.conversion = at.value.0;
    }
}
