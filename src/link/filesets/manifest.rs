//! Manifests: the digests of a set beside nothing of the instrument's, in a folder that the configuration names for them.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::driver::set::{Hashed, SetName};

/// Writes the manifest of a set into `folder`, in the form that `sha256sum --check` reads in the root. It appears whole or not at
/// all.
///
/// # Errors
///
/// When it cannot be written.
pub fn write(folder: &Path, set: &SetName, members: &[Hashed]) -> std::io::Result<PathBuf> {
    let path = folder.join(format!("{}.sha256", file_name(set)));
    std::fs::create_dir_all(folder)?;
    let text: String = members.iter().map(|member| format!("{}  {}\n", member.sha256, member.at.path)).collect();
    let unfinished = path.with_extension("sha256.tmp");
    let mut file = std::fs::File::create(&unfinished)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&unfinished, &path)?;
    Ok(path)
}

/// A set's name as one file name: what separates folders becomes `%2F`, so that no two sets share one.
fn file_name(set: &str) -> String {
    set.replace('%', "%25").replace('/', "%2F")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::set::{At, MemberState};
    use crate::profile::zenotof::Member;

    #[test]
    fn a_manifest_lists_what_the_event_says() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = At { root: "data".into(), path: "P/S.wiff".into() };
        let state = MemberState { size: 1, modified: 1, file: 1 };
        let hashed = Hashed { kind: Member::Wiff, at, state, sha256: "ab".to_owned() };
        let path = write(&folder.path().join("new"), &"data/P/s".into(), &[hashed]).expect("written");
        assert_eq!(path.file_name().and_then(|name| name.to_str()), Some("data%2FP%2Fs.sha256"));
        assert_eq!(std::fs::read_to_string(path).expect("readable"), "ab  P/S.wiff\n");
    }
}
