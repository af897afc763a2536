//! From the tables of a ZenoTOF's acquisitions to their settings.

use std::path::{Path, PathBuf};

use super::codes::Code;
use super::file::{AcquisitionsTable, PositionsTable};
use super::reader::{At, Reader};
use super::values::{NAME_RULE, made_valid};
use crate::driver::zenotof::batch::DATA_FILE;
use crate::driver::zenotof::ejection::Order;
use crate::driver::zenotof::position::Numbering;
use crate::event::ids::is_valid_name;

/// The name of the folder in `files` where none is given.
const NAME: &str = "data";

/// How many files are read for digests at a time where nothing is said.
const PARALLEL: usize = 2;

/// Where acquisitions lie beside the folder in `files`, and how they are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcquisitionSettings {
    /// The name of the folder in `files`.
    pub name: String,
    /// Where subscribers find it.
    pub public: Option<String>,
    /// Further folders.
    pub roots: Vec<RootSettings>,
    /// Bytes per second that are read for digests; `None` is no limit.
    pub hash_rate: Option<u64>,
    /// Files that are read for digests at a time.
    pub hash_parallel: usize,
    /// The folder of the manifests.
    pub manifests: Option<PathBuf>,
    /// The folder of the batch files and the column of the data file in them.
    pub batches: Option<(PathBuf, String)>,
    /// How vial positions become wells.
    pub numbering: Option<Numbering>,
    /// In which order a shot list is worked off.
    pub order: Order,
}

/// A further folder with acquisitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootSettings {
    /// Its name.
    pub name: String,
    /// The folder.
    pub folder: PathBuf,
    /// Where subscribers find it.
    pub public: Option<String>,
}

impl Default for AcquisitionSettings {
    fn default() -> Self {
        Self {
            name: NAME.to_owned(),
            public: None,
            roots: Vec::new(),
            hash_rate: None,
            hash_parallel: PARALLEL,
            manifests: None,
            batches: None,
            numbering: None,
            order: Order::default(),
        }
    }
}

/// The settings of a table; the defaults without one.
pub(super) fn acquisitions(
    table: Option<&AcquisitionsTable>,
    folder: &Path,
    reader: &mut Reader,
) -> AcquisitionSettings {
    let mut settings = AcquisitionSettings::default();
    let Some(table) = table else { return settings };
    if let Some(at) = &table.name {
        settings.name.clone_from(&at.value.0);
    }
    settings.public = table.public.as_ref().map(|at| at.value.0.clone());
    for (name, (span, at)) in table.roots.iter().flat_map(|at| &at.value.entries) {
        let Some(place) = at.value.folder.as_ref().map(|at| at.value.in_folder(folder)) else { continue };
        if !is_valid_name(name) || *name == settings.name {
            let problem =
                reader.report(Code::BadName, span.clone(), format!("`{name}` cannot be the name of this folder"));
            problem.meant(made_valid(name).filter(|meant| *meant != settings.name)).help(NAME_RULE);
            continue;
        }
        let public = at.value.public.as_ref().map(|at| at.value.0.clone());
        settings.roots.push(RootSettings { name: name.clone(), folder: place, public });
    }
    settings.hash_rate = table.hash_rate.as_ref().map(|at| at.value.0);
    if let Some(at) = &table.hash_parallel {
        settings.hash_parallel = usize::try_from(at.value.0).unwrap_or(PARALLEL);
    }
    settings.manifests = table.manifests.as_ref().map(|at| at.value.in_folder(folder));
    settings.batches = table.batches.as_ref().and_then(|at| {
        let column = at.value.column.as_ref().map_or_else(|| DATA_FILE.to_owned(), |at| at.value.0.clone());
        Some((at.value.folder.as_ref()?.value.in_folder(folder), column))
    });
    settings.numbering = table.positions.as_ref().and_then(numbering);
    if let Some(at) = &table.ejection_order {
        settings.order = at.value.0;
    }
    settings
}

fn numbering(at: &At<PositionsTable>) -> Option<Numbering> {
    let table = &at.value;
    Some(Numbering {
        rule: table.rule.as_ref()?.value.0,
        rows: u8::try_from(table.rows.as_ref()?.value.0).ok()?,
        columns: u8::try_from(table.columns.as_ref()?.value.0).ok()?,
    })
}
