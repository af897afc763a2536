//! The tables of a profile of an Echo liquid handler.

use super::super::echo::EchoProfile;
use super::super::file::ProfileTable;
use super::value;

pub(super) fn echo(table: &ProfileTable) -> EchoProfile {
    let mut profile = EchoProfile::default();
    let Some(acoustic) = table.acoustic.as_ref().map(|at| &at.value) else { return profile };
    if let Some(droplets) = &acoustic.droplets {
        let of = |at: &crate::config::reader::At<crate::profile::file::DropletTable>| {
            Some((value(&at.value.model)?.0, value(&at.value.nl)?.0))
        };
        profile.droplets = droplets.value.iter().filter_map(of).collect();
    }
    if let Some(formats) = &acoustic.plate_formats {
        profile.plate_formats = formats.value.iter().filter_map(|at| u32::try_from(at.value.0).ok()).collect();
    }
    if let Some(placeholders) = &acoustic.placeholder_barcodes {
        profile.placeholders = placeholders.value.iter().map(|at| at.value.0.clone()).collect();
    }
    profile
}
