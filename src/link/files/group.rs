//! Which files of a folder belong together, and what kind of source they are.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::disk::Stat;
use super::name;
use super::position::Digest;
use crate::driver::{FolderLayout, SourceKind, SourceName};

/// A source that a look at the folder found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its name.
    pub name: SourceName,
    /// Its files.
    pub files: Files,
    /// Identity of the table's (first) file, size of the whole table, latest change.
    pub stat: Stat,
}

/// The files of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Files {
    /// One file.
    Table(PathBuf),
    /// A zip archive.
    Zip(PathBuf),
    /// An unpacked export: members in the order in which they are given, and the table.
    Folder {
        /// The table.
        table: PathBuf,
        /// The small files beside it.
        members: Vec<PathBuf>,
        /// Names, sizes and times of the members.
        print: Digest,
    },
    /// A header and parts.
    Parts(PartList),
}

/// A header and the parts that follow it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartList {
    /// Where they lie.
    pub folder: PathBuf,
    /// The header file's name.
    pub header: OsString,
    /// The parts, by number.
    pub parts: Vec<Part>,
}

/// One part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its number.
    pub number: u32,
    /// Its file name.
    pub name: Box<str>,
    /// Its size when the folder was listed.
    pub size: u64,
}

impl Found {
    /// What kind of source it is.
    pub fn kind(&self) -> SourceKind {
        match self.files {
            Files::Table(_) => SourceKind::Table,
            Files::Zip(_) | Files::Folder { .. } => SourceKind::Export,
            Files::Parts(_) => SourceKind::Parts,
        }
    }
}

/// Names that are never looked at: hidden ones, and what editors, browsers and copy programs use while they write.
pub fn is_hidden(name: &OsStr) -> bool {
    let bytes = name.as_encoded_bytes();
    matches!(bytes.first(), None | Some(b'.' | b'~' | b'$')) || bytes.last() == Some(&b'~')
}

/// The number of a part file, `C<n>.tmp`.
pub fn part_number(name: &str) -> Option<u32> {
    let digits = name.strip_prefix(['C', 'c'])?;
    let (digits, extension) = digits.split_once('.')?;
    let number =
        extension.eq_ignore_ascii_case("tmp") && !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    number.then(|| digits.parse().ok()).flatten()
}

/// Whether this is the header of a source in parts.
pub fn is_header(name: &OsStr) -> bool {
    name.eq_ignore_ascii_case("header.csv")
}

fn extension_is(name: &OsStr, wanted: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension.eq_ignore_ascii_case(wanted))
}

/// In which order a member is given: what identifies the run first. `None`: it is no member.
fn member_rank(name: &OsStr) -> Option<u8> {
    ["meta", "json", "scripts", "ini"]
        .iter()
        .position(|wanted| extension_is(name, wanted))
        .and_then(|n| u8::try_from(n).ok())
}

/// Whether a change of a file of this name can matter to any source.
pub fn concerns(name: &OsStr, layout: FolderLayout) -> bool {
    let is_any = |wanted: &[&str]| wanted.iter().any(|wanted| extension_is(name, wanted));
    let is_ours = match layout {
        FolderLayout::Reports => is_any(&REPORTS),
        FolderLayout::Results => {
            is_any(&["csv", "zip"]) || member_rank(name).is_some() || name.to_str().and_then(part_number).is_some()
        }
    };
    is_ours && !is_hidden(name)
}

/// The extensions of reports that come whole.
const REPORTS: [&str; 2] = ["csv", "xml"];

/// Members in the order in which they are given.
pub fn sort_members<T>(members: &mut [T], name: impl Fn(&T) -> OsString) {
    members.sort_by_cached_key(|member| {
        let name = name(member);
        (member_rank(&name), name)
    });
}

/// Whether a file of this name is a table.
pub fn is_table(name: &OsStr) -> bool {
    !is_hidden(name) && extension_is(name, "csv")
}

/// Whether a file of this name is a member of an export.
pub fn is_member(name: &OsStr) -> bool {
    !is_hidden(name) && member_rank(name).is_some()
}

/// Makes sources of one folder's files. `relative` is the folder's path within the watched one.
pub fn group(
    root: &Path,
    relative: &Path,
    files: Vec<(OsString, Stat)>,
    layout: FolderLayout,
    found: &mut dyn FnMut(Found),
) {
    let folder = root.join(relative);
    if layout == FolderLayout::Reports {
        for (file, stat) in files.into_iter().filter(|(file, _)| concerns(file, layout)) {
            let path = relative.join(&file);
            found(Found { name: name::encode(&path), files: Files::Table(folder.join(file)), stat });
        }
        return;
    }
    let mut tables = Vec::new();
    let mut headers = Vec::new();
    let mut metas = Vec::new();
    let mut members = Vec::new();
    let mut parts = Vec::new();
    for (file, stat) in files {
        if is_hidden(&file) {
            continue;
        }
        if extension_is(&file, "zip") {
            let path = relative.join(&file);
            found(Found { name: name::encode(&path), files: Files::Zip(folder.join(file)), stat });
        } else if is_header(&file) {
            headers.push((file, stat));
        } else if extension_is(&file, "csv") {
            tables.push((file, stat));
        } else if let Some(number) = file.to_str().and_then(part_number) {
            if let Some(text) = file.to_str() {
                parts.push((Part { number, name: text.into(), size: stat.size }, stat));
            }
        } else if is_member(&file) {
            if extension_is(&file, "meta") {
                metas.push(stem(&file));
            }
            members.push((file, stat));
        }
    }
    // A header is the start of a source in parts even while it is alone: the first part comes a moment later.
    if let Some((header, stat)) = headers.into_iter().next() {
        found(in_parts(&folder, relative, header, stat, parts));
    }
    exports(&folder, relative, &mut tables, metas, &members, found);
    for (file, stat) in tables {
        let path = relative.join(&file);
        found(Found { name: name::encode(&path), files: Files::Table(folder.join(file)), stat });
    }
}

fn stem(name: &OsStr) -> OsString {
    Path::new(name).file_stem().unwrap_or(name).to_owned()
}

fn in_parts(folder: &Path, relative: &Path, header: OsString, stat: Stat, mut parts: Vec<(Part, Stat)>) -> Found {
    // File names sort C1, C10, C2; the table is in the order of the numbers.
    parts.sort_by_key(|(part, _)| part.number);
    parts.dedup_by_key(|(part, _)| part.number);
    let size = stat.size + parts.iter().map(|(part, _)| part.size).sum::<u64>();
    let modified = parts.iter().map(|(_, stat)| stat.modified).fold(stat.modified, i64::max);
    let name = name::encode(&relative.join(&header));
    let parts = parts.into_iter().map(|(part, _)| part).collect();
    let files = Files::Parts(PartList { folder: folder.to_owned(), header, parts });
    Found { name, files, stat: Stat { size, modified, ..stat } }
}

/// Takes the unpacked exports out of `tables`: a csv with a `.meta` of the same stem, or the only csv beside the only
/// `.meta`.
fn exports(
    folder: &Path,
    relative: &Path,
    tables: &mut Vec<(OsString, Stat)>,
    metas: Vec<OsString>,
    members: &[(OsString, Stat)],
    found: &mut dyn FnMut(Found),
) {
    let mut taken = Vec::new();
    tables.retain(|(file, stat)| {
        let stem = stem(file);
        let ours = metas.contains(&stem);
        if ours {
            taken.push((stem, file.clone(), *stat));
        }
        !ours
    });
    if let ([meta], [(file, stat)], true) = (metas.as_slice(), tables.as_slice(), taken.is_empty()) {
        taken.push((meta.clone(), file.clone(), *stat));
        tables.clear();
    }
    for (seed, file, stat) in &taken {
        let mut own: Vec<&(OsString, Stat)> =
            members.iter().filter(|(member, _)| belongs(member, seed, &taken)).collect();
        sort_members(&mut own, |member| member.0.clone());
        let print = own.iter().fold(String::new(), |mut text, (member, stat)| {
            text.push_str(&format!("{member:?} {} {}\n", stat.size, stat.modified));
            text
        });
        let files = Files::Folder {
            table: folder.join(file),
            members: own.iter().map(|(member, _)| folder.join(member)).collect(),
            print: Digest::of(print.as_bytes()),
        };
        found(Found { name: name::encode(&relative.join(stem(file))), files, stat: *stat });
    }
}

/// Whether a member is of the export `seed` and of no other whose longer seed fits as well.
fn belongs(member: &OsStr, seed: &OsStr, all: &[(OsString, OsString, Stat)]) -> bool {
    let starts = |seed: &OsStr| member.as_encoded_bytes().starts_with(seed.as_encoded_bytes());
    if all.len() == 1 {
        return true;
    }
    starts(seed) && !all.iter().any(|(other, _, _)| other.len() > seed.len() && starts(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Name, kind and members (or parts) of each source.
    fn grouped(files: &[&str]) -> Vec<(String, SourceKind, Vec<String>)> {
        grouped_as(files, FolderLayout::Results)
    }

    fn grouped_as(files: &[&str], layout: FolderLayout) -> Vec<(String, SourceKind, Vec<String>)> {
        let files = files.iter().map(|name| (OsString::from(name), Stat { size: 10, ..Stat::default() })).collect();
        let mut sources = Vec::new();
        group(Path::new("/data"), Path::new("day"), files, layout, &mut |one| {
            let text =
                |path: &PathBuf| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let inside = match &one.files {
                Files::Folder { members, .. } => members.iter().map(text).collect(),
                Files::Parts(list) => list.parts.iter().map(|part| part.name.to_string()).collect(),
                Files::Table(_) | Files::Zip(_) => Vec::new(),
            };
            sources.push((one.name.to_string(), one.kind(), inside));
        });
        sources.sort_by(|a, b| a.0.cmp(&b.0));
        sources
    }

    fn owned(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn exports_in_one_folder_keep_their_own_members() {
        let found = grouped(&[
            "12.csv",
            "12.meta",
            "12_filterlist.json",
            "12_3 x.csv",
            "12_3 x.meta",
            "12_3 x.json",
            "12_3 x_20231006T175509.scripts",
            "12_3 x_settings.ini",
            "12_3 x.log",
            "other.CSV",
            "12.zip",
        ]);
        assert_eq!(
            found,
            [
                ("day/12".to_owned(), SourceKind::Export, owned(&["12.meta", "12_filterlist.json"])),
                ("day/12.zip".to_owned(), SourceKind::Export, vec![]),
                (
                    "day/12_3 x".to_owned(),
                    SourceKind::Export,
                    owned(&["12_3 x.meta", "12_3 x.json", "12_3 x_20231006T175509.scripts", "12_3 x_settings.ini"])
                ),
                ("day/other.CSV".to_owned(), SourceKind::Table, vec![]),
            ]
        );
    }

    #[test]
    fn the_only_csv_belongs_to_the_only_meta() {
        let found = grouped(&["table.csv", "run.meta", "run.json"]);
        assert_eq!(found, [("day/table".to_owned(), SourceKind::Export, owned(&["run.meta", "run.json"]))]);
        let found = grouped(&["a.csv", "b.csv", "run.meta"]);
        assert!(found.iter().all(|(_, kind, _)| *kind == SourceKind::Table) && found.len() == 2);
    }

    #[test]
    fn each_report_is_one_source() {
        let found =
            grouped_as(&["a.XML", "a.csv", "header.csv", "C1.tmp", "a.meta", "b.zip", ".c.xml"], FolderLayout::Reports);
        let names: Vec<&str> = found.iter().map(|(name, ..)| name.as_str()).collect();
        assert_eq!(names, ["day/a.XML", "day/a.csv", "day/header.csv"]);
        assert!(found.iter().all(|(_, kind, _)| *kind == SourceKind::Table));
    }

    #[test]
    fn parts_are_numbered_files_beside_a_header() {
        let found = grouped(&["Header.csv", "C10.tmp", "C2.tmp", "C1.tmp", "C.tmp", "Cx.tmp", "D1.tmp", "final.csv"]);
        assert_eq!(
            found,
            [
                ("day/Header.csv".to_owned(), SourceKind::Parts, owned(&["C1.tmp", "C2.tmp", "C10.tmp"])),
                ("day/final.csv".to_owned(), SourceKind::Table, vec![]),
            ]
        );
        assert!(grouped(&["C1.tmp", ".C2.tmp", "~x.csv", "$x.csv", "x.csv~", "x.txt"]).is_empty());
    }
}
