//! A source's table as one run of bytes, whatever files it lies in, and what is new in it.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use super::disk::{self, Stat};
use super::group::{Part, PartList};
use super::position::{MARK, Mark, Position, tail_start};

/// The files of a table, opened one at a time. It lives for one bounded read, and so do its handles; only [`View::into_kept`] gives
/// one out.
#[derive(Debug)]
pub struct View {
    segments: Vec<Segment>,
    open: Option<(usize, File)>,
    /// Identity of the first file, size of all, latest change.
    pub stat: Stat,
    /// Where each part that can be read begins, by number.
    parts: Vec<(u32, u64)>,
    /// A part is missing and later ones are there.
    pub hole: bool,
    /// A part grew after a later one was begun: what was read is not what the table is.
    pub late: bool,
}

#[derive(Debug)]
struct Segment {
    path: PathBuf,
    start: u64,
    len: u64,
}

/// A file that is still open after a read, so that the next need not open it: each opening is an event for whoever watches the
/// folder, this link included.
#[derive(Debug)]
pub struct Kept {
    file: File,
    device: u64,
    inode: u64,
}

impl View {
    /// Of one file; of the kept one, where it is still what stands at `path`.
    pub fn of_file(path: &Path, kept: Option<Kept>) -> io::Result<Self> {
        // While it is open, no other file can have its number.
        let stands = |kept: &Kept, stat: &Stat| (kept.device, kept.inode) == (stat.device, stat.inode);
        let still = kept.and_then(|kept| {
            let stat = Stat::of(&std::fs::metadata(path).ok()?);
            stands(&kept, &stat).then_some((kept.file, stat))
        });
        let (file, stat) = match still {
            Some(still) => still,
            None => disk::open(path)?,
        };
        let segments = vec![Segment { path: path.to_owned(), start: 0, len: stat.size }];
        Ok(Self { segments, open: Some((0, file)), stat, parts: Vec::new(), hole: false, late: false })
    }

    /// Of a header and its parts. Parts that came since the folder was listed are added to `list`. The parts before the
    /// current one may have been tidied away: then only what follows can be read. `over_holes` goes on behind a part
    /// that is missing.
    pub fn of_parts(list: &mut PartList, position: &Position, over_holes: bool) -> io::Result<Self> {
        list.find_next();
        let header = list.folder.join(&list.header);
        let stat = Stat::of(&std::fs::metadata(&header)?);
        let (current, current_start) = position.part.unwrap_or((0, 0));
        // From the last to the first: when the next part is seen before this one's size is asked, this one is complete.
        let mut modified = stat.modified;
        for part in list.parts.iter_mut().rev().take_while(|part| part.number >= current) {
            let stat = Stat::of(&std::fs::metadata(list.folder.join(&*part.name))?);
            part.size = stat.size;
            modified = modified.max(stat.modified);
        }
        let mut view = Self {
            segments: vec![Segment { path: header, start: 0, len: stat.size }],
            open: None,
            stat,
            parts: Vec::new(),
            hole: false,
            late: false,
        };
        let (mut end, mut last) = (stat.size, None::<u32>);
        let before =
            end + list.parts.iter().take_while(|part| part.number < current).map(|part| part.size).sum::<u64>();
        // Parts that were read may be tidied away; then what is left of them does not lie where it lay.
        let tidied = before < current_start;
        view.late = before > current_start && position.part.is_some();
        for part in &list.parts {
            if tidied && part.number < current {
                continue;
            }
            let expected = last.is_none_or(|last| part.number == last + 1);
            if !expected && part.number > current {
                view.hole = true;
                if !over_holes {
                    break;
                }
            }
            if part.number == current {
                end = end.max(current_start);
            } else if part.number > current && tidied {
                end = end.max(position.at);
            }
            view.parts.push((part.number, end));
            view.segments.push(Segment { path: list.folder.join(&*part.name), start: end, len: part.size });
            end += part.size;
            last = Some(part.number);
        }
        if position.part.is_some() && last.is_none_or(|last| last < current) {
            // The run's parts are gone, all that was read of them stays read.
            end = end.max(position.at);
        }
        view.stat.size = end;
        view.stat.modified = modified;
        Ok(view)
    }

    /// The open file, to be kept until the next read.
    pub fn into_kept(self) -> Option<Kept> {
        let Stat { device, inode, .. } = self.stat;
        self.open.map(|(_, file)| Kept { file, device, inode })
    }

    /// The part that a byte lies in, and where it begins. The byte behind a part's last belongs to that part.
    pub fn part_at(&self, at: u64) -> Option<(u32, u64)> {
        self.parts.iter().rev().find(|(_, start)| *start < at).copied()
    }

    /// Reads from `from` up to `len` bytes; fewer at the end. `None` where bytes are asked that are not there any more.
    pub fn read(&mut self, from: u64, len: u64) -> io::Result<Option<Vec<u8>>> {
        let end = self.stat.size.min(from.saturating_add(len));
        let mut bytes = Vec::with_capacity(usize::try_from(end.saturating_sub(from)).unwrap_or(0));
        let mut at = from;
        for index in 0..self.segments.len() {
            let Segment { start, len, .. } = self.segments[index];
            if at >= end || at < start {
                break;
            }
            let here = (start + len).min(end);
            if at >= here {
                continue;
            }
            let file = self.file(index)?;
            file.seek(SeekFrom::Start(at - start))?;
            let got = file.take(here - at).read_to_end(&mut bytes)?;
            if (got as u64) < here - at {
                // It became shorter since it was opened; the next look will see that.
                return Ok(None);
            }
            at = here;
        }
        Ok((at >= end).then_some(bytes))
    }

    fn file(&mut self, index: usize) -> io::Result<&mut File> {
        if self.open.as_ref().is_none_or(|(open, _)| *open != index) {
            self.open = Some((index, disk::open(&self.segments[index].path)?.0));
        }
        match &mut self.open {
            Some((_, file)) => Ok(file),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

impl PartList {
    /// Adds parts that follow the last one and came since the folder was listed.
    fn find_next(&mut self) {
        let next = |last: Option<&Part>| last.map_or(1, |part| part.number.saturating_add(1));
        loop {
            let number = next(self.parts.last());
            let name = format!("C{number}.tmp");
            match std::fs::metadata(self.folder.join(&name)) {
                Ok(metadata) if metadata.is_file() => {
                    self.parts.push(Part { number, name: name.into(), size: metadata.len() });
                }
                _ => return,
            }
        }
    }
}

/// What a look at a table says.
#[derive(Debug)]
pub enum Look {
    /// Nothing new.
    Same,
    /// Something new.
    New {
        /// The first bytes as they are now, when they were rewritten, and the position with them.
        head: Option<(Vec<u8>, Box<Position>)>,
        /// The bytes that follow; may be empty when only the head changed.
        bytes: Vec<u8>,
        /// The position after both.
        position: Box<Position>,
    },
    /// There is less than was read.
    Shorter,
    /// All that was read is there, and something came between.
    Late,
    /// What was read last does not stand there any more.
    Replaced,
}

/// Looks whether there is more in `view` than `position` says was read; gives at most `most` bytes.
pub fn look(view: &mut View, position: &Position, most: u64) -> io::Result<Look> {
    let (at, end) = (position.at, view.stat.size);
    if view.late {
        return Ok(Look::Late);
    }
    if end < at {
        return Ok(Look::Shorter);
    }
    let mut next = Position { stat: view.stat, ..position.clone() };
    let mut head = None;
    let mut beginning = None;
    if at > 0 || end > 0 {
        // `None`: the first files were tidied away; what they held was read.
        if let Some(bytes) = view.read(0, MARK)? {
            let known = bytes.get(..position.head.len as usize).unwrap_or(&bytes);
            if position.head.len > 0 && Mark::of(known) != position.head {
                let mut rewritten = known.to_vec();
                rewritten.truncate(usize::try_from(at).unwrap_or(usize::MAX));
                next.head = Mark::of(&rewritten);
                head = Some((rewritten, Box::new(next.clone())));
            }
            beginning = Some(bytes);
        }
    }
    let tail_len = u64::from(position.tail.len);
    let (tail, bytes) = match view.read(at - tail_len, tail_len + most.min(end - at))? {
        Some(mut window) => {
            let bytes = window.split_off(usize::try_from(tail_len).unwrap_or(usize::MAX).min(window.len()));
            if Mark::of(&window).digest != position.tail.digest && tail_len > 0 {
                return Ok(Look::Replaced);
            }
            (window, bytes)
        }
        None => match view.read(at, most.min(end - at))? {
            Some(bytes) => (Vec::new(), bytes),
            None => return Ok(Look::Same),
        },
    };
    if head.is_none() && bytes.is_empty() {
        return Ok(Look::Same);
    }
    if !bytes.is_empty() {
        advance(&mut next, &tail, &bytes, beginning.as_deref());
    }
    next.part = view.part_at(next.at).or(position.part);
    Ok(Look::New { head, bytes, position: Box::new(next) })
}

/// Compares the bytes of a table that goes by, chunk after chunk, with what a position remembers of it.
#[derive(Debug)]
pub struct Marker {
    position: Position,
    at: u64,
    /// The first bytes, up to [`MARK`] and at most what was read.
    pub head: Vec<u8>,
    /// The last bytes before the position.
    pub tail: Vec<u8>,
}

impl Marker {
    /// For one position.
    pub fn new(position: &Position) -> Self {
        Self { position: position.clone(), at: 0, head: Vec::new(), tail: Vec::new() }
    }

    /// The next bytes.
    pub fn take(&mut self, chunk: &[u8]) {
        let end = self.at + chunk.len() as u64;
        let between = |from: u64, to: u64, into: &mut Vec<u8>| {
            let (from, to) = (from.max(self.at), to.min(end));
            if from < to {
                let index = |at: u64| usize::try_from(at - self.at).unwrap_or(usize::MAX);
                into.extend_from_slice(&chunk[index(from)..index(to)]);
            }
        };
        let at = self.position.at;
        between(0, MARK.min(at), &mut self.head);
        between(at - u64::from(self.position.tail.len), at, &mut self.tail);
        self.at = end;
    }

    /// Whether the first bytes are those that the position remembers.
    pub fn head_matches(&self) -> bool {
        let len = self.position.head.len as usize;
        len == 0 || self.head.get(..len).is_some_and(|head| Mark::of(head) == self.position.head)
    }

    /// Whether the last bytes before the position are those that it remembers.
    pub fn tail_matches(&self) -> bool {
        self.at >= self.position.at && (self.tail.is_empty() || Mark::of(&self.tail) == self.position.tail)
    }
}

/// Moves `position` over `bytes`, which follow it; `before` are the bytes that its tail mark is of and `head` the table's first ones.
pub fn advance(position: &mut Position, before: &[u8], bytes: &[u8], head: Option<&[u8]>) {
    position.at += bytes.len() as u64;
    position.settled = false;
    let keep = usize::try_from(position.at - tail_start(position.at)).unwrap_or(0);
    position.tail = if bytes.len() >= keep {
        Mark::of(&bytes[bytes.len() - keep..])
    } else {
        let recent = [before, bytes].concat();
        Mark::of(&recent[recent.len() - keep.min(recent.len())..])
    };
    let head_len = MARK.min(position.at);
    if u64::from(position.head.len) < head_len
        && let Some(head) = head
    {
        let len = usize::try_from(head_len).unwrap_or(0).min(head.len());
        position.head = Mark::of(&head[..len]);
    }
}
