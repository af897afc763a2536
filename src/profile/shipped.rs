//! The profiles inside the binary, and those of a folder.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use super::{Profile, parse};
use crate::config::codes::Code;
use crate::config::problem::{Problem, Problems};
use crate::event::ids::is_valid_name;

/// Name and text of each shipped profile.
const TEXTS: [(&str, &str); 8] = [
    ("biolector-1", include_str!("../../device-profiles/biolector-1.toml")),
    ("biolector-pro", include_str!("../../device-profiles/biolector-pro.toml")),
    ("biolector-xt", include_str!("../../device-profiles/biolector-xt.toml")),
    ("echo-liquid-handler", include_str!("../../device-profiles/echo-liquid-handler.toml")),
    ("echo-ms-plus", include_str!("../../device-profiles/echo-ms-plus.toml")),
    ("robolector", include_str!("../../device-profiles/robolector.toml")),
    ("robolector-tecan", include_str!("../../device-profiles/robolector-tecan.toml")),
    ("zenotof-7600", include_str!("../../device-profiles/zenotof-7600.toml")),
];

// A shipped profile with a mistake would be missing here; a test checks that none is.
static SHIPPED: LazyLock<BTreeMap<String, Arc<Profile>>> = LazyLock::new(|| {
    let read = |(name, text): &(&str, &str)| {
        let profile = parse(name, &format!("device-profiles/{name}.toml"), text).ok()?;
        Some(((*name).to_owned(), Arc::new(profile)))
    };
    TEXTS.iter().filter_map(read).collect()
});

/// The shipped profile of this name.
pub fn shipped(name: &str) -> Option<Arc<Profile>> {
    SHIPPED.get(name).cloned()
}

/// The names of the shipped profiles.
pub fn names() -> impl Iterator<Item = &'static str> {
    TEXTS.iter().map(|(name, _)| *name)
}

/// The text of a shipped profile: where one of your own can begin.
pub fn text(name: &str) -> Option<&'static str> {
    TEXTS.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// Profiles by name.
#[derive(Debug, Clone, PartialEq)]
pub struct Profiles(BTreeMap<String, Arc<Profile>>);

impl Default for Profiles {
    /// The shipped ones.
    fn default() -> Self {
        Self(SHIPPED.clone())
    }
}

impl Profiles {
    /// The profile of this name.
    pub fn get(&self, name: &str) -> Option<&Arc<Profile>> {
        self.0.get(name)
    }

    /// All names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// The shipped profiles with those of `folder` (each `NAME.toml` in it), which take the place of shipped ones with the
/// same name. The second part says what is wrong with them; a profile with a mistake is not among the first.
///
/// # Errors
/// Why the folder cannot be read.
pub fn load(folder: &Path) -> std::io::Result<(Profiles, Problems)> {
    let mut profiles = Profiles::default();
    let mut problems = Problems::default();
    let entries = std::fs::read_dir(folder)?;
    let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    for path in paths.iter().filter(|path| path.extension().is_some_and(|extension| extension == "toml")) {
        let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        // The old one must not stay in force when its replacement is wrong.
        profiles.0.remove(name);
        let file = path.display().to_string();
        match std::fs::read(path) {
            Err(error) => {
                let mut problem =
                    Problem::of_file(Code::Unreadable, file, format!("this profile cannot be read: {error}"));
                problem.help("the daemon's user must be able to read every `.toml` file in the folder of profiles");
                problems.0.push(problem);
            }
            Ok(_) if !is_valid_name(name) => {
                let mut problem =
                    Problem::of_file(Code::BadName, file, format!("`{name}` is not a valid profile name"));
                problem.help(crate::config::values::NAME_RULE);
                problems.0.push(problem);
            }
            Ok(bytes) => match crate::config::utf8(&file, &bytes) {
                Err(problem) => problems.0.push(*problem),
                Ok(text) => match parse(name, &file, text) {
                    Ok(profile) => drop(profiles.0.insert(name.to_owned(), Arc::new(profile))),
                    Err(found) => problems.0.extend(found.0),
                },
            },
        }
    }
    Ok((profiles, problems))
}
