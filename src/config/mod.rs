//! Configuration: from `instrumentd.toml` to [`Settings`], with all problems at once, each at its place.

pub mod acquisitions;
pub mod codes;
mod commands;
mod deck;
pub mod file;
pub mod grpc;
mod links;
pub mod nearest;
pub mod network;
pub mod ports;
pub mod problem;
pub mod quantities;
pub mod reader;
pub mod render;
mod resolve;
mod rules;
pub mod settings;
pub mod source;
pub mod streams;
pub(crate) mod tables;
pub mod values;
pub mod zone;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::codes::Code;
use self::file::ConfigTable;
pub use self::problem::{Problem, Problems};
use self::reader::Reader;
pub use self::rules::missing_devices;
use self::settings::JournalSettings;
pub use self::settings::Settings;
use self::source::Source;
use crate::profile::Profiles;

/// The id of the daemon's own device, under which it publishes how things belong together.
pub const RESERVED_ID: &str = "lineage";

/// A configuration that the daemon can run with.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// What is worth saying about the file, though it stops nothing.
    pub warnings: Vec<Problem>,
}

/// Reads and validates the configuration file at `path`.
///
/// # Errors
/// Everything that is wrong with it, warnings included, if anything stops the daemon.
pub fn load(path: &Path) -> Result<Loaded, Problems> {
    let name = path.display().to_string();
    let bytes = read(path, &name)?;
    let text = utf8(&name, &bytes).map_err(|problem| Problems(vec![*problem]))?;
    parse(text, &name, &folder_of(path))
}

/// Validates the text of a configuration. `file_name` is for messages; relative paths in it are relative to `folder`.
///
/// # Errors
/// As [`load`].
pub fn parse(text: &str, file_name: &str, folder: &Path) -> Result<Loaded, Problems> {
    let Examined { settings, problems, .. } = examine(text, file_name, folder);
    match settings {
        Some(settings) if problems.errors() == 0 => Ok(Loaded { settings, warnings: problems.0 }),
        _ => Err(problems),
    }
}

/// All that could be made of a text, for whoever wants to say more about it than [`parse`].
#[derive(Debug)]
pub struct Examined {
    /// The text.
    pub source: Arc<Source>,
    /// The tables as they are written, with the places of all values; `None` where nothing could be read.
    pub table: Option<ConfigTable>,
    /// The settings, complete; to be used only where no problem is an error.
    pub settings: Option<Settings>,
    /// Where the journal is, or would be.
    pub journal: Option<JournalSettings>,
    /// What is wrong.
    pub problems: Problems,
}

/// As [`parse`], for a text that may be wrong.
pub fn examine(text: &str, file_name: &str, folder: &Path) -> Examined {
    let mut reader = Reader::new(file_name, text);
    let table = reader.document::<ConfigTable>(text);
    let mut profile_problems = Problems::default();
    let resolved = table.as_ref().map(|table| {
        let (profiles, problems) = own_profiles(table, folder, &mut reader);
        profile_problems = problems;
        let resolved = resolve::resolve(table, &profiles, folder, &mut reader);
        rules::check(table, &resolved, folder, &mut reader);
        resolved
    });
    let source = Arc::clone(reader.source());
    let mut problems = Problems(reader.into_problems());
    problems.sort();
    problems.0.extend(profile_problems.0);
    let (settings, journal) = resolved.map(|resolved| (resolved.settings, resolved.journal)).unzip();
    Examined { source, table, settings: settings.flatten(), journal, problems }
}

/// The shipped profiles, and those of the configured folder.
fn own_profiles(table: &ConfigTable, folder: &Path, reader: &mut Reader) -> (Profiles, Problems) {
    let Some(at) = &table.profiles else { return Default::default() };
    let path = at.value.in_folder(folder);
    crate::profile::load(&path).unwrap_or_else(|error| {
        let message = format!("profiles cannot be read from `{}`: {error}", path.display());
        reader
            .report(Code::Unreadable, at.span.clone(), message)
            .help("check that the folder is there and that this user may read it, or leave `profiles` out");
        Default::default()
    })
}

/// The bytes of the file at `path`, or why they cannot be read.
pub(crate) fn read(path: &Path, file_name: &str) -> Result<Vec<u8>, Problems> {
    std::fs::read(path).map_err(|error| {
        let message = format!("the configuration cannot be read: {error}");
        let mut problem = Problem::of_file(Code::Unreadable, file_name, message);
        problem.help("check the path given with --config, and that this user may read the file");
        Problems(vec![problem])
    })
}

/// The folder that relative paths in the configuration at `path` are relative to.
pub fn folder_of(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    absolute.parent().unwrap_or(Path::new("/")).to_owned()
}

/// The text of a file, or where it stops being UTF-8.
pub(crate) fn utf8<'b>(file: &str, bytes: &'b [u8]) -> Result<&'b str, Box<Problem>> {
    std::str::from_utf8(bytes).map_err(|error| {
        // The rest is most probably Latin-1: each byte is the character of its number.
        let (valid, rest) = bytes.split_at(error.valid_up_to());
        let start = valid.len();
        let shown: String = String::from_utf8_lossy(valid).chars().chain(rest.iter().map(|b| char::from(*b))).collect();
        let source = Arc::new(Source::new(file, &shown));
        let byte = rest.first().copied().unwrap_or_default();
        let end = start + char::from(byte).len_utf8();
        let mut problem =
            Problem::at(Code::NotUtf8, &source, start..end, format!("this file is not UTF-8 (byte 0x{byte:02X})"));
        problem.help("save it again with the encoding UTF-8");
        Box::new(problem)
    })
}

/// The JSON Schema (2020-12) of a file whose tables are `T`, with its `$id` and title.
pub fn schema_of<T: schemars::JsonSchema>(name: &str, title: &str) -> serde_json::Value {
    let generator = schemars::generate::SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<T>();
    schema.insert("$id".to_owned(), format!("urn:instrumentd:schema:{name}:v1").into());
    schema.insert("title".to_owned(), title.into());
    schema.to_value()
}
