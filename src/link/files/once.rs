//! One pass over a file, an archive or a folder, for an offline decode.

use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::archive::{Archive, ArchiveError, MEMBER_LIMIT};
use super::disk;
use super::group::{Files, Found};
use super::name;
use super::position::Position;
use super::scan::walk;
use super::view::View;
use crate::driver::{FileInput, FolderLayout, SourceKind, SourceName};

/// How much of a table is read at once.
const CHUNK: u64 = 256 << 10;

/// One piece of a source, as a driver takes it.
#[derive(Debug)]
pub struct OfflineEvent<'a> {
    /// The source.
    pub source: &'a SourceName,
    /// The piece.
    pub input: FileInput<'a>,
    /// Bytes of tables given so far, this piece included, over all sources.
    pub done: u64,
    /// Bytes of all tables.
    pub total: u64,
}

/// Why something cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// There is nothing at that path.
    #[error("{}: no such file or folder", path.display())]
    NotFound {
        /// The path.
        path: PathBuf,
    },
    /// The file system refuses.
    #[error("{}: cannot be read: {source}", path.display())]
    Unreadable {
        /// The path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A zip archive that is not whole, or passes a limit.
    #[error("{}: cannot be unpacked: {reason}", path.display())]
    BrokenArchive {
        /// The path.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A folder without anything that could be a result.
    #[error("{}: holds no {wanted}", path.display())]
    Nothing {
        /// What is looked for.
        wanted: &'static str,
        /// The path.
        path: PathBuf,
    },
}

impl ReadError {
    fn io(path: &Path, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::NotFound => Self::NotFound { path: path.to_owned() },
            _ => Self::Unreadable { path: path.to_owned(), source },
        }
    }

    fn archive(path: &Path, error: ArchiveError) -> Self {
        match error {
            ArchiveError::Io(error) => Self::io(path, error),
            other => Self::BrokenArchive { path: path.to_owned(), reason: other.to_string() },
        }
    }
}

/// Reads everything at `path` once, on the calling thread: a file (a zip archive of results by its content, anything else is a
/// table), or a folder with all that is below it, the oldest source first. `sink` can break it off.
///
/// # Errors
///
/// At the first thing that cannot be read.
pub fn read_once(
    path: &Path,
    layout: FolderLayout,
    sink: &mut dyn FnMut(OfflineEvent<'_>) -> ControlFlow<()>,
) -> Result<(), ReadError> {
    let sources = sources(path, layout)?;
    let mut pass = Pass { sink, done: 0, total: 0 };
    for (one, path) in &sources {
        pass.total += match &one.files {
            Files::Zip(_) => {
                let archive = Archive::open(path).map_err(|error| ReadError::archive(path, error))?;
                archive.table.map_or(0, |table| table.size)
            }
            _ => one.stat.size,
        };
    }
    for (one, path) in &sources {
        if pass.source(one, path)?.is_break() {
            break;
        }
    }
    Ok(())
}

fn wanted(layout: FolderLayout) -> &'static str {
    match layout {
        FolderLayout::Results => "csv and no zip",
        FolderLayout::Reports => "csv and no xml",
    }
}

/// What is at `path`, in the order in which it is read, each with the path that an error names.
fn sources(path: &Path, layout: FolderLayout) -> Result<Vec<(Found, PathBuf)>, ReadError> {
    let metadata = std::fs::metadata(path).map_err(|error| ReadError::io(path, error))?;
    if !metadata.is_dir() {
        let (mut file, stat) = disk::open(path).map_err(|error| ReadError::io(path, error))?;
        let mut magic = [0; 4];
        let zip =
            io::Read::read_exact(&mut file, &mut magic).is_ok() && matches!(&magic, b"PK\x03\x04" | b"PK\x05\x06");
        let files = if zip && layout == FolderLayout::Results {
            Files::Zip(path.to_owned())
        } else {
            Files::Table(path.to_owned())
        };
        let name = name::encode(Path::new(path.file_name().unwrap_or(path.as_os_str())));
        return Ok(vec![(Found { name, files, stat }, path.to_owned())]);
    }
    let mut found = Vec::new();
    let answer =
        walk(path, layout, &|| true, &mut |one| found.push(one)).map_err(|error| ReadError::io(path, error))?;
    if let Some((below, reason)) = answer.unreadable.into_iter().next() {
        return Err(ReadError::Unreadable { path: path.join(below), source: io::Error::other(reason) });
    }
    if found.is_empty() {
        return Err(ReadError::Nothing { path: path.to_owned(), wanted: wanted(layout) });
    }
    found.sort_by(|a, b| (a.stat.modified, &a.name).cmp(&(b.stat.modified, &b.name)));
    Ok(found
        .into_iter()
        .map(|one| {
            let at = match &one.files {
                Files::Table(path) | Files::Zip(path) | Files::Folder { table: path, .. } => path.clone(),
                Files::Parts(list) => list.folder.clone(),
            };
            (one, at)
        })
        .collect())
}

struct Pass<'s> {
    sink: &'s mut dyn FnMut(OfflineEvent<'_>) -> ControlFlow<()>,
    done: u64,
    total: u64,
}

impl Pass<'_> {
    fn give(&mut self, source: &SourceName, input: FileInput<'_>) -> ControlFlow<()> {
        if let FileInput::Bytes { bytes, .. } = &input {
            self.done += bytes.len() as u64;
            self.total = self.total.max(self.done);
        }
        (self.sink)(OfflineEvent { source, input, done: self.done, total: self.total })
    }

    fn source(&mut self, one: &Found, path: &Path) -> Result<ControlFlow<()>, ReadError> {
        let kind: SourceKind = one.kind();
        if self.give(&one.name, FileInput::Opened { kind, snapshot: &[] }).is_break() {
            return Ok(ControlFlow::Break(()));
        }
        let flow = match &one.files {
            Files::Zip(_) => self.archive(&one.name, path).map_err(|error| ReadError::archive(path, error))?,
            Files::Folder { members, .. } => {
                let mut flow = ControlFlow::Continue(());
                for member in members {
                    if flow.is_continue() {
                        flow = self.member(&one.name, member)?;
                    }
                }
                if flow.is_continue() { self.table(one).map_err(|error| ReadError::io(path, error))? } else { flow }
            }
            Files::Table(_) | Files::Parts(_) => self.table(one).map_err(|error| ReadError::io(path, error))?,
        };
        Ok(if flow.is_continue() { self.give(&one.name, FileInput::Ended) } else { flow })
    }

    fn member(&mut self, source: &SourceName, path: &Path) -> Result<ControlFlow<()>, ReadError> {
        let read = || {
            let (file, stat) = disk::open(path)?;
            let mut bytes = Vec::new();
            if stat.size <= MEMBER_LIMIT {
                io::Read::read_to_end(&mut io::Read::take(file, MEMBER_LIMIT), &mut bytes)?;
            }
            Ok((stat.size <= MEMBER_LIMIT).then_some(bytes))
        };
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        match read().map_err(|error| ReadError::io(path, error))? {
            Some(bytes) => Ok(self.give(source, FileInput::Member { name: &name, bytes: &bytes })),
            None => {
                tracing::warn!(member = %path.display(), limit = MEMBER_LIMIT, "A member is too large and is not read.");
                Ok(ControlFlow::Continue(()))
            }
        }
    }

    fn table(&mut self, one: &Found) -> io::Result<ControlFlow<()>> {
        let mut files = one.files.clone();
        let mut view = match &mut files {
            Files::Table(path) | Files::Folder { table: path, .. } | Files::Zip(path) => View::of_file(path, None)?,
            Files::Parts(list) => View::of_parts(list, &Position::start(), true)?,
        };
        let mut offset = 0;
        while offset < view.stat.size {
            // A file that becomes shorter while it is read ends there.
            let Some(bytes) = view.read(offset, CHUNK)?.filter(|bytes| !bytes.is_empty()) else { break };
            if self.give(&one.name, FileInput::Bytes { offset, bytes: &bytes }).is_break() {
                return Ok(ControlFlow::Break(()));
            }
            offset += bytes.len() as u64;
        }
        Ok(ControlFlow::Continue(()))
    }

    fn archive(&mut self, source: &SourceName, path: &Path) -> Result<ControlFlow<()>, ArchiveError> {
        let mut archive = Archive::open(path)?;
        for text in &archive.skipped {
            tracing::warn!(%source, reason = %text, "A member is not read.");
        }
        for entry in archive.members.clone() {
            let bytes = archive.member(&entry)?;
            if self.give(source, FileInput::Member { name: &entry.name, bytes: &bytes }).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        let (mut offset, mut flow) = (0, ControlFlow::Continue(()));
        archive.read_table(0, &mut |bytes| {
            flow = self.give(source, FileInput::Bytes { offset, bytes });
            offset += bytes.len() as u64;
            flow
        })?;
        Ok(flow)
    }
}
