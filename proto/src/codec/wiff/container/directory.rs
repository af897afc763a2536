//! The directory: storages and streams by name.

use super::super::model::Version;
use super::super::reason::Torn;
use super::Defects;
use super::chains::END;

/// Length of an entry.
pub(super) const ENTRY: usize = 128;
/// No entry.
pub(super) const NONE: u32 = 0xffff_ffff;
/// Storages deeper than this are left out. The deepest that is read stands at nine.
const DEPTH: usize = 16;

/// Kinds of entries, as the file numbers them.
pub(super) const STORAGE: u8 = 1;
pub(super) const STREAM: u8 = 2;
pub(super) const ROOT: u8 = 5;

/// A storage or a stream.
#[derive(Debug, Clone, Default)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) kind: u8,
    /// Where in the file the entry stands.
    pub(super) at: u64,
    /// FILETIME; 0 where it is not set.
    pub(super) created: u64,
    pub(super) modified: u64,
    /// First sector, or mini sector of a short stream.
    pub(super) start: u32,
    /// Length in bytes.
    pub(super) length: u64,
    /// What is in a storage: numbers in [`Directory::entries`], in the order of the container.
    pub(super) children: Vec<u32>,
}

/// A directory without loops, in which every entry stands once and every name is plain ASCII, as all names that are read are. What has
/// another name is left out with all that is in it.
#[derive(Debug)]
pub(super) struct Directory {
    pub(super) root: Entry,
    /// Everything but the root; entry 0 here has number 1 in the container.
    pub(super) entries: Vec<Entry>,
    /// Streams that are never read: they stand in no storage here, and their sectors are theirs all the same.
    pub(super) unread: Vec<Unread>,
}

/// A stream that is never read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unread {
    /// Where in the file its entry stands.
    pub(super) at: u64,
    /// As in [`Entry`].
    pub(super) start: u32,
    pub(super) length: u64,
}

/// What is read of an experiment of a method. Each has some forty entries, and a method of SWATH a hundred experiments for each sample.
const EXPERIMENT: &str = "Experiment";
const OF_EXPERIMENT: &str = "ExperimentHeader";

impl Directory {
    /// Reads the directory's sectors, each with its place in the file; takes over `most` entries.
    ///
    /// # Errors
    /// [`Torn`] when the first entry is no root.
    pub(super) fn read(
        sectors: &[(u64, Vec<u8>)],
        version: Version,
        most: usize,
        defects: &mut Defects,
    ) -> Result<Directory, Torn> {
        let mut raw = Raw { sectors, version, most, seen: Vec::new(), unread: Vec::new() };
        let count: usize = sectors.iter().map(|(_, bytes)| bytes.len() / ENTRY).sum();
        raw.seen.resize(count, false);
        let place = sectors.first().map_or(0, |(place, _)| *place);
        let Some((mut root, _, _, child)) = raw.entry(0).filter(|(entry, ..)| entry.kind == ROOT) else {
            let zeros = sectors.first().is_some_and(|(_, bytes)| bytes.iter().all(|byte| *byte == 0));
            let why = if zeros { "zeros stand where the directory should be" } else { "the directory has no root" };
            return Err(Torn { offset: place, why: why.to_owned(), may_heal: true });
        };
        let mut entries: Vec<Entry> = Vec::new();
        root.children = raw.children(child, &mut entries, &mut Vec::new(), defects);
        Ok(Directory { root, entries, unread: raw.unread })
    }

    pub(super) fn streams(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.entries.iter_mut().filter(|entry| entry.kind == STREAM)
    }
}

/// The order of names in a container: shorter ones first, then as capitals.
fn rank(name: &str) -> (usize, String) {
    (name.len(), name.to_ascii_uppercase())
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit())
}

struct Raw<'a> {
    sectors: &'a [(u64, Vec<u8>)],
    version: Version,
    /// How many entries are taken over.
    most: usize,
    seen: Vec<bool>,
    unread: Vec<Unread>,
}

impl Raw<'_> {
    /// An entry with its left and right neighbour and its child.
    fn entry(&self, number: usize) -> Option<(Entry, u32, u32, u32)> {
        let per_sector = self.sectors.first()?.1.len() / ENTRY;
        let (place, sector) = self.sectors.get(number / per_sector)?;
        let from = number % per_sector * ENTRY;
        let bytes = sector.get(from..from + ENTRY)?;
        let four = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let eight = |at: usize| u64::from(four(at)) | u64::from(four(at + 4)) << 32;
        let kind = bytes[66];
        let name_bytes = usize::from(u16::from_le_bytes([bytes[64], bytes[65]]));
        let name = if kind == ROOT {
            String::new()
        } else {
            if !(4..=64).contains(&name_bytes) || !name_bytes.is_multiple_of(2) {
                return None;
            }
            let letters = bytes[..name_bytes - 2].chunks_exact(2);
            let forbidden = |pair: &[u8]| pair[1] == 0 && (pair[0] == 0 || b"/\\:!".contains(&pair[0]));
            if letters.clone().any(forbidden) {
                return None;
            }
            let plain = |pair: &[u8]| pair[1] == 0 && (1..0x7f).contains(&pair[0]);
            let name = letters.map(|pair| plain(pair).then_some(char::from(pair[0]))).collect::<Option<String>>();
            name.filter(|name| name != "." && name != "..").unwrap_or_default()
        };
        let length = match self.version {
            // The upper half means nothing there.
            Version::V3 => u64::from(four(120)),
            Version::V4 => eight(120),
        };
        let entry = Entry {
            name,
            kind,
            at: place + from as u64,
            created: eight(100),
            modified: eight(108),
            start: four(116),
            length,
            children: Vec::new(),
        };
        Some((entry, four(68), four(72), four(76)))
    }

    /// An entry that was not seen before, with its left and right neighbour and its child.
    fn unseen(&mut self, number: u32, defects: &mut Defects) -> Option<(Entry, u32, u32, u32)> {
        let index = number as usize;
        let here = self.sectors.first().map_or(0, |(place, _)| *place);
        if self.seen.get(index).copied().unwrap_or(true) || index == 0 {
            defects.add(here, || format!("directory entry {number} is out of range or stands there twice"));
            return None;
        }
        self.seen[index] = true;
        let found = self.entry(index).filter(|(entry, ..)| matches!(entry.kind, STORAGE | STREAM));
        if found.is_none() {
            defects.add(here, || format!("directory entry {number} is damaged or not yet written"));
        }
        found
    }

    /// Goes over what is never read: an entry, and what is below it.
    fn pass_over(&mut self, entry: &Entry, child: u32, defects: &mut Defects) {
        let unread = |entry: &Entry| Unread { at: entry.at, start: entry.start, length: entry.length };
        if entry.kind == STREAM {
            return self.unread.push(unread(entry));
        }
        let mut left_to_see = vec![child];
        while let Some(number) = left_to_see.pop() {
            if number == NONE {
                continue;
            }
            let Some((entry, left, right, child)) = self.unseen(number, defects) else { continue };
            left_to_see.extend([left, right]);
            match entry.kind {
                STORAGE => left_to_see.push(child),
                _ => self.unread.push(unread(&entry)),
            }
        }
    }

    /// Takes over the entries of one storage, with everything below. Returns their numbers in order.
    fn children(
        &mut self,
        child: u32,
        entries: &mut Vec<Entry>,
        path: &mut Vec<u32>,
        defects: &mut Defects,
    ) -> Vec<u32> {
        let mut found: Vec<(u32, u32)> = Vec::new();
        let parent = path.last().map(|parent| entries[*parent as usize].name.as_str());
        let in_experiment = parent.and_then(|name| name.strip_prefix(EXPERIMENT)).is_some_and(is_number);
        let mut left_to_see = vec![child];
        while let Some(number) = left_to_see.pop() {
            if number == NONE {
                continue;
            }
            let Some((mut entry, left, right, child)) = self.unseen(number, defects) else { continue };
            left_to_see.extend([left, right]);
            // A name in another script is a device's own.
            if entry.name.is_empty() || (in_experiment && entry.name != OF_EXPERIMENT) {
                self.pass_over(&entry, child, defects);
                continue;
            }
            if entries.len() == self.most {
                let most = self.most;
                defects.add(entry.at, || format!("more than {most} storages and streams would have to be read"));
                break;
            }
            if entry.kind == STORAGE {
                (entry.start, entry.length) = (0, 0);
            }
            let child = if entry.kind == STORAGE { child } else { NONE };
            if entry.kind == STREAM && entry.length == 0 {
                entry.start = END;
            }
            found.push((entries.len() as u32, child));
            entries.push(entry);
        }
        found.sort_by_cached_key(|(number, _)| rank(&entries[*number as usize].name));
        let mut unique: Vec<(u32, u32)> = Vec::with_capacity(found.len());
        for (number, child) in found {
            let name = &entries[number as usize].name;
            if unique.last().is_some_and(|(last, _)| entries[*last as usize].name.eq_ignore_ascii_case(name)) {
                let at = entries[number as usize].at;
                let name = name.clone();
                defects.add(at, || format!("'{name}' stands there twice"));
            } else {
                unique.push((number, child));
            }
        }
        for (number, child) in &unique {
            if *child == NONE {
                continue;
            }
            if path.len() == DEPTH {
                let at = entries[*number as usize].at;
                defects.add(at, || format!("storages are nested deeper than {DEPTH}"));
                continue;
            }
            path.push(*number);
            let below = self.children(*child, entries, path, defects);
            path.pop();
            entries[*number as usize].children = below;
        }
        unique.into_iter().map(|(number, _)| number).collect()
    }
}
