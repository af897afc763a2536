//! Reads the tables of a container (header, allocation tables, directory) once, and keeps of them what is sound.
//!
//! Source: [MS-CFB], the public specification of compound files.

use std::io::{self, Read, Seek};

use super::super::limits::Limits;
use super::super::model::Version;
use super::super::reason::Torn;
use super::Defects;
use super::chains::{Chains, END, FREE, LAST};
use super::directory::{Directory, ENTRY};
use super::guard::{Guard, Refused};

/// Length of the header; the sector that it stands in may be longer.
pub(super) const HEADER: usize = 512;
/// The first bytes of a compound file.
pub(super) const MAGIC: [u8; 8] = [0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1];
/// Where the list of allocation sectors stands in the header, and how long it is.
pub(super) const LIST_AT: usize = 76;
pub(super) const LISTED: usize = 109;
/// Length of a sector of the mini stream, in which streams shorter than [`MINI_CUTOFF`] lie.
pub(super) const MINI: u64 = 64;
pub(super) const MINI_CUTOFF: u64 = 4096;

/// The sound part of a container's tables.
pub(super) struct Tables {
    pub(super) version: Version,
    pub(super) chains: Chains,
    pub(super) minis: Chains,
    pub(super) directory: Directory,
    /// Length that the file must have to hold every sector in use.
    pub(super) needed: u64,
    pub(super) defects: Defects,
}

/// Length of a sector in bytes.
pub(super) fn sector_length(version: Version) -> u64 {
    match version {
        Version::V3 => 512,
        Version::V4 => 4096,
    }
}

/// Where a sector begins in the file.
pub(super) fn place(version: Version, sector: u32) -> u64 {
    (u64::from(sector) + 1) * sector_length(version)
}

impl Tables {
    /// Reads them.
    ///
    /// # Errors
    /// [`Torn`] where header or directory are not there; whatever else is damaged is left out and listed.
    pub(super) fn read<R: Read + Seek>(file: &mut Guard<R>, limits: &Limits) -> Result<Tables, Torn> {
        let header = header(file)?;
        let version = version(&header)?;
        let mut defects = Defects::default();
        let (next, places) = allocation(file, &header, version, limits, &mut defects)?;
        let per_sector = entries_per_sector(version);
        let at =
            |index: usize| places.get(index / per_sector).map_or(0, |place| place + (index % per_sector) as u64 * 4);
        let mut chains = Chains::clean(next, at, &mut defects);
        let needed = (chains.len() as u64 + 1) * sector_length(version);
        if needed > file.length() {
            let length = file.length();
            defects.add(length, || format!("the file ends here, its sectors in use reach to byte {needed}"));
        }
        let raw = directory_bytes(file, u32_at(&header, 48), version, limits, &chains, &mut defects)?;
        let first_mini = u32_at(&header, 60);
        let mut directory = Directory::read(&raw, version, limits.entries, &mut defects)?;
        drop(raw);
        if !chains.claim(directory.root.start) {
            if directory.root.length > 0 {
                defects
                    .add(place(version, u32_at(&header, 48)), || "the mini stream has no chain of sectors".to_owned());
            }
            (directory.root.start, directory.root.length) = (END, 0);
        }
        directory.root.length -= directory.root.length % MINI;
        let minis = minis(file, first_mini, version, &directory, &chains, &mut defects);
        let mut tables = Tables { version, chains, minis, directory, needed, defects };
        tables.give_out_chains();
        Ok(tables)
    }

    /// Lets each stream have its chain; one that is damaged has none.
    fn give_out_chains(&mut self) {
        for entry in self.directory.streams() {
            let owned = match entry.length {
                0 => false,
                length if length < MINI_CUTOFF => self.minis.claim(entry.start),
                _ => self.chains.claim(entry.start),
            };
            if !owned {
                if entry.length > 0 {
                    let name = entry.name.clone();
                    self.defects.add(entry.at, || format!("stream '{name}' has no chain of sectors of its own"));
                }
                entry.start = END;
            }
        }
        for unread in &self.directory.unread {
            let owned = match unread.length {
                0 => true,
                length if length < MINI_CUTOFF => self.minis.claim(unread.start),
                _ => self.chains.claim(unread.start),
            };
            if !owned {
                self.defects.add(unread.at, || "a stream has no chain of sectors of its own".to_owned());
            }
        }
    }
}

fn entries_per_sector(version: Version) -> usize {
    sector_length(version) as usize / 4
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..at + 2).and_then(|two| two.try_into().ok()).map_or(0, u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).map_or(0, u32::from_le_bytes)
}

fn torn(offset: u64, why: impl Into<String>, may_heal: bool) -> Torn {
    Torn { offset, why: why.into(), may_heal }
}

fn refused(offset: u64, what: &str, error: &io::Error) -> Torn {
    torn(offset, format!("{what} cannot be read: {error}"), true)
}

fn header<R: Read + Seek>(file: &mut Guard<R>) -> Result<[u8; HEADER], Torn> {
    let mut header = [0; HEADER];
    let length = file.length();
    if length < HEADER as u64 {
        return Err(torn(
            length,
            format!("the file has {length} bytes, a container's header alone has {HEADER}"),
            true,
        ));
    }
    match file.fill(0, &mut header, 0).short {
        Some(error) => Err(refused(0, "the header", &error)),
        None => Ok(header),
    }
}

/// Checks what the header says of the format.
fn version(header: &[u8; HEADER]) -> Result<Version, Torn> {
    if header[..8] != MAGIC {
        // A copy that took the space first has zeros until the bytes come.
        let zeros = header.iter().all(|byte| *byte == 0);
        let why = if zeros { "zeros stand where the header should be" } else { "this is no compound file" };
        return Err(torn(0, why, zeros));
    }
    let (version, shift) = match (u16_at(header, 26), u16_at(header, 30)) {
        (3, shift) => (Version::V3, shift == 9),
        (4, shift) => (Version::V4, shift == 12),
        (other, _) => return Err(torn(26, format!("container version {other} is none of 3 and 4"), other == 0)),
    };
    let checks = [
        (28, u16_at(header, 28) == 0xfffe, "byte order"),
        (30, shift, "sector length"),
        (32, u16_at(header, 32) == 6, "mini sector length"),
        (56, u64::from(u32_at(header, 56)) == MINI_CUTOFF, "mini stream limit"),
    ];
    match checks.into_iter().find(|(_, sound, _)| !sound) {
        Some((offset, _, what)) => {
            Err(torn(offset, format!("the header's {what} is not the one of its version"), false))
        }
        None => Ok(version),
    }
}

/// The allocation table as it stands in the file, and where each of its sectors stands.
fn allocation<R: Read + Seek>(
    file: &mut Guard<R>,
    header: &[u8; HEADER],
    version: Version,
    limits: &Limits,
    defects: &mut Defects,
) -> Result<(Vec<u32>, Vec<u64>), Torn> {
    let per_sector = entries_per_sector(version);
    let most = limits.sectors.div_ceil(per_sector);
    let too_large = || torn(44, format!("the container has more than {} sectors", limits.sectors), false);
    let mut list: Vec<u32> =
        (0..LISTED).map(|index| u32_at(header, LIST_AT + index * 4)).take_while(|sector| *sector != FREE).collect();
    let mut buffer = vec![0; sector_length(version) as usize];
    let mut more = u32_at(header, 68);
    while more <= LAST && list.len() >= LISTED {
        if list.len() > most {
            return Err(too_large());
        }
        let at = place(version, more);
        if let Some(error) = file.fill(at, &mut buffer, 0xff).short {
            defects.add(at, || format!("the list of allocation sectors goes on here and cannot be read: {error}"));
            break;
        }
        let entries = (0..per_sector - 1).map(|index| u32_at(&buffer, index * 4));
        list.extend(entries.take_while(|sector| *sector <= LAST));
        more = u32_at(&buffer, (per_sector - 1) * 4);
    }
    if list.len() > most {
        return Err(too_large());
    }
    let mut next = Vec::with_capacity(list.len() * per_sector);
    let mut places = Vec::with_capacity(list.len());
    for sector in list {
        let at = place(version, sector);
        places.push(at);
        // Entries that are not there count as free.
        if let Some(error) = file.fill(at, &mut buffer, 0xff).short {
            defects.add(at, || format!("a sector of the allocation table cannot be read: {error}"));
        }
        next.extend((0..per_sector).map(|index| u32_at(&buffer, index * 4)));
    }
    Ok((next, places))
}

/// The directory's bytes, as far as they can be read, and where each sector stands.
fn directory_bytes<R: Read + Seek>(
    file: &mut Guard<R>,
    first: u32,
    version: Version,
    limits: &Limits,
    chains: &Chains,
    defects: &mut Defects,
) -> Result<Vec<(u64, Vec<u8>)>, Torn> {
    let length = sector_length(version) as usize;
    let most = limits.listed.div_ceil(length / ENTRY);
    let mut sectors: Vec<(u64, Vec<u8>)> = Vec::new();
    // Where even the allocation table is missing, the directory's first sector still can be there.
    let chain = std::iter::once(first).chain(chains.walk(first).skip(1));
    for sector in chain {
        let at = place(version, sector);
        if sectors.len() == most {
            defects.add(at, || format!("the directory has more than {} entries", limits.listed));
            break;
        }
        let mut buffer = vec![0; length];
        let filled = file.fill(at, &mut buffer, 0);
        if let Some(error) = filled.short {
            if sectors.is_empty() && filled.count < ENTRY {
                return Err(refused(at, "the directory", &error));
            }
            defects.add(at, || format!("a sector of the directory cannot be read: {error}"));
            if error.get_ref().is_some_and(|inner| matches!(inner.downcast_ref(), Some(Refused::Budget(_)))) {
                break;
            }
            // Half an entry is none. The numbers of the entries in the sectors behind this one stay what they are.
            buffer[filled.count - filled.count % ENTRY..].fill(0);
        }
        sectors.push((at, buffer));
    }
    Ok(sectors)
}

/// The allocation table of the mini stream.
fn minis<R: Read + Seek>(
    file: &mut Guard<R>,
    first: u32,
    version: Version,
    directory: &Directory,
    chains: &Chains,
    defects: &mut Defects,
) -> Chains {
    let per_sector = entries_per_sector(version);
    let wanted = usize::try_from(directory.root.length / MINI).unwrap_or(usize::MAX);
    let mut buffer = vec![0; sector_length(version) as usize];
    let (mut next, mut places) = (Vec::new(), Vec::new());
    for sector in chains.walk(first) {
        if next.len() >= wanted {
            break;
        }
        let at = place(version, sector);
        places.push(at);
        if let Some(error) = file.fill(at, &mut buffer, 0xff).short {
            defects.add(at, || format!("a sector of the mini stream's table cannot be read: {error}"));
        }
        next.extend((0..per_sector).map(|index| u32_at(&buffer, index * 4)));
    }
    next.truncate(wanted);
    let at = |index: usize| places.get(index / per_sector).map_or(0, |place| place + (index % per_sector) as u64 * 4);
    Chains::clean(next, at, defects)
}
