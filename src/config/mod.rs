//! Configuration: from `instrumentd.toml` to [`Settings`], with all problems at once, each at its place.

pub mod codes;
pub mod file;
pub mod nearest;
pub mod network;
pub mod problem;
pub mod quantities;
pub mod reader;
pub mod render;
mod resolve;
mod rules;
pub mod settings;
pub mod source;
pub mod values;
pub mod zone;

#[cfg(test)]
mod tests;

use std::path::Path;

use self::codes::Code;
use self::file::ConfigTable;
pub use self::problem::{Problem, Problems};
use self::reader::Reader;
pub use self::settings::Settings;

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
    let bytes = std::fs::read(path).map_err(|error| {
        let mut problem =
            Problem::of_file(Code::Unreadable, &*name, format!("the configuration cannot be read: {error}"));
        problem.help("check the path given with --config, and that this user may read the file");
        Problems(vec![problem])
    })?;
    let text = utf8(&name, &bytes).map_err(|problem| Problems(vec![*problem]))?;
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    parse(text, &name, absolute.parent().unwrap_or(Path::new("/")))
}

/// Validates the text of a configuration. `file_name` is for messages; relative paths in it are relative to `folder`.
///
/// # Errors
/// As [`load`].
pub fn parse(text: &str, file_name: &str, folder: &Path) -> Result<Loaded, Problems> {
    let mut reader = Reader::new(file_name, text);
    let table = reader.document::<ConfigTable>(text);
    let mut profile_problems = Problems::default();
    let settings = table.and_then(|table| {
        let (profiles, problems) = match &table.profiles {
            Some(at) => crate::profile::load(&at.value.in_folder(folder)),
            None => Default::default(),
        };
        profile_problems = problems;
        let settings = resolve::settings(&table, &profiles, folder, &mut reader);
        rules::check(&table, settings.as_ref(), &mut reader);
        settings
    });
    let mut problems = Problems(reader.into_problems());
    problems.sort();
    problems.0.extend(profile_problems.0);
    match settings {
        Some(settings) if problems.errors() == 0 => Ok(Loaded { settings, warnings: problems.0 }),
        _ => Err(problems),
    }
}

/// The text of a file, or where it stops being UTF-8.
pub(crate) fn utf8<'b>(file: &str, bytes: &'b [u8]) -> Result<&'b str, Box<Problem>> {
    std::str::from_utf8(bytes).map_err(|error| {
        // The rest is most probably Latin-1: each byte is the character of its number.
        let (valid, rest) = bytes.split_at(error.valid_up_to());
        let start = valid.len();
        let shown: String = String::from_utf8_lossy(valid).chars().chain(rest.iter().map(|b| char::from(*b))).collect();
        let source = std::sync::Arc::new(source::Source::new(file, &shown));
        let byte = rest.first().copied().unwrap_or_default();
        let end = start + char::from(byte).len_utf8();
        let mut problem =
            Problem::at(Code::NotUtf8, &source, start..end, format!("this file is not UTF-8 (byte 0x{byte:02X})"));
        problem.help("save it again with the encoding UTF-8");
        Box::new(problem)
    })
}
