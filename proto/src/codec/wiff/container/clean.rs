//! A clean copy of a container's tables, laid out behind the file's last sector.
//!
//! The library that reads the streams gets header, allocation tables and directory from here and never sees those of the file: what it
//! works with is what was checked, also while the file is being written.

use super::super::model::Version;
use super::chains::{DIFAT, END, FAT, FREE};
use super::directory::{ENTRY, Entry, NONE, ROOT};
use super::tables::{HEADER, LIST_AT, LISTED, MAGIC, MINI_CUTOFF, Tables, sector_length};

/// What replaces parts of the file.
pub(super) struct Clean {
    /// The first bytes.
    pub(super) head: Vec<u8>,
    /// From where the rest comes from `tail`.
    pub(super) tail_at: u64,
    /// The tables.
    pub(super) tail: Vec<u8>,
}

/// How many sectors each table takes.
struct Layout {
    data: usize,
    directory: usize,
    minis: usize,
    fat: usize,
    difat: usize,
}

impl Layout {
    fn new(data: usize, directory: usize, minis: usize, per_sector: usize) -> Layout {
        let (mut fat, mut difat) = (0, 0);
        // Both tables describe themselves, too.
        loop {
            let needed = (data + directory + minis + fat + difat).div_ceil(per_sector);
            let listed = needed.saturating_sub(LISTED).div_ceil(per_sector - 1);
            if (needed, listed) == (fat, difat) {
                return Layout { data, directory, minis, fat, difat };
            }
            (fat, difat) = (needed.max(fat), listed.max(difat));
        }
    }

    fn first(&self, before: usize, count: usize) -> u32 {
        if count == 0 { END } else { before as u32 }
    }
}

impl Clean {
    pub(super) fn of(tables: Tables) -> Clean {
        let version = tables.version;
        let length = sector_length(version) as usize;
        let directory = directory_bytes(&tables, length);
        let mut minis = words(&tables.minis.next);
        pad(&mut minis, length, 0xff);
        let layout = Layout::new(tables.chains.len(), directory.len() / length, minis.len() / length, length / 4);

        let minis_at = layout.data + layout.directory;
        let fat_at = minis_at + layout.minis;
        let difat_at = fat_at + layout.fat;
        let mut next = tables.chains.next;
        for (from, count) in [(layout.data, layout.directory), (minis_at, layout.minis)] {
            next.extend((1..=count).map(|index| if index == count { END } else { (from + index) as u32 }));
        }
        next.resize(next.len() + layout.fat, FAT);
        next.resize(next.len() + layout.difat, DIFAT);
        let fat_sectors: Vec<u32> = (fat_at..difat_at).map(|sector| sector as u32).collect();

        let head = head(version, &layout, &fat_sectors);
        let mut tail = directory;
        tail.extend(minis);
        let mut fat = words(&next);
        fat.resize(layout.fat * length, 0xff);
        tail.extend(fat);
        let per_list = length / 4 - 1;
        for (index, list) in fat_sectors.get(LISTED..).unwrap_or_default().chunks(per_list).enumerate() {
            let mut list = words(list);
            list.resize(per_list * 4, 0xff);
            let following = if index + 1 == layout.difat { END } else { (difat_at + index + 1) as u32 };
            tail.extend(list);
            tail.extend(following.to_le_bytes());
        }
        Clean { head, tail_at: (layout.data as u64 + 1) * length as u64, tail }
    }
}

fn words(values: &[u32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn pad(bytes: &mut Vec<u8>, to: usize, with: u8) {
    bytes.resize(bytes.len().next_multiple_of(to), with);
}

fn head(version: Version, layout: &Layout, fat_sectors: &[u32]) -> Vec<u8> {
    let (number, shift, directory_sectors) = match version {
        Version::V3 => (3u16, 9u16, 0),
        Version::V4 => (4, 12, layout.directory as u32),
    };
    let minis_at = layout.data + layout.directory;
    let difat_at = minis_at + layout.minis + layout.fat;
    let mut head = vec![0; HEADER];
    let mut put = |at: usize, bytes: &[u8]| head[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &MAGIC);
    put(24, &0x3eu16.to_le_bytes());
    put(26, &number.to_le_bytes());
    put(28, &0xfffeu16.to_le_bytes());
    put(30, &shift.to_le_bytes());
    put(32, &6u16.to_le_bytes());
    put(40, &directory_sectors.to_le_bytes());
    put(44, &(layout.fat as u32).to_le_bytes());
    put(48, &(layout.data as u32).to_le_bytes());
    put(56, &(MINI_CUTOFF as u32).to_le_bytes());
    put(60, &layout.first(minis_at, layout.minis).to_le_bytes());
    put(64, &(layout.minis as u32).to_le_bytes());
    put(68, &layout.first(difat_at, layout.difat).to_le_bytes());
    put(72, &(layout.difat as u32).to_le_bytes());
    for index in 0..LISTED {
        let sector = fat_sectors.get(index).copied().unwrap_or(FREE);
        put(LIST_AT + index * 4, &sector.to_le_bytes());
    }
    head
}

fn directory_bytes(tables: &Tables, sector: usize) -> Vec<u8> {
    let directory = &tables.directory;
    // For each entry its neighbours to the left and right in the tree of its storage.
    let mut neighbours = vec![(NONE, NONE); directory.entries.len()];
    let mut bytes = Vec::with_capacity((directory.entries.len() + 1) * ENTRY);
    let root_child = balance(&directory.root.children, &mut neighbours);
    let children: Vec<u32> = directory.entries.iter().map(|entry| balance(&entry.children, &mut neighbours)).collect();
    bytes.extend(entry_bytes(&directory.root, (NONE, NONE), root_child));
    for ((entry, neighbours), child) in directory.entries.iter().zip(neighbours).zip(children) {
        bytes.extend(entry_bytes(entry, neighbours, child));
    }
    while !bytes.len().is_multiple_of(sector) {
        let unused = Entry::default();
        bytes.extend(entry_bytes(&unused, (NONE, NONE), NONE));
    }
    bytes
}

/// Makes a balanced tree of ordered entries; returns the number of its top as the container counts, from 1.
fn balance(ordered: &[u32], neighbours: &mut [(u32, u32)]) -> u32 {
    let middle = ordered.len() / 2;
    let Some(top) = ordered.get(middle).copied() else { return NONE };
    let left = balance(&ordered[..middle], neighbours);
    let right = balance(&ordered[middle + 1..], neighbours);
    neighbours[top as usize] = (left, right);
    top + 1
}

fn entry_bytes(entry: &Entry, (left, right): (u32, u32), child: u32) -> [u8; ENTRY] {
    let mut bytes = [0; ENTRY];
    let name = if entry.kind == ROOT { "Root Entry" } else { &entry.name };
    for (pair, letter) in bytes.chunks_exact_mut(2).zip(name.bytes()) {
        pair[0] = letter;
    }
    let name_bytes = if name.is_empty() { 0 } else { (name.len() + 1) * 2 };
    let mut put = |at: usize, part: &[u8]| bytes[at..at + part.len()].copy_from_slice(part);
    put(64, &(name_bytes as u16).to_le_bytes());
    put(66, &[entry.kind, 1]);
    put(68, &left.to_le_bytes());
    put(72, &right.to_le_bytes());
    put(76, &child.to_le_bytes());
    put(100, &entry.created.to_le_bytes());
    put(108, &entry.modified.to_le_bytes());
    put(116, &entry.start.to_le_bytes());
    put(120, &entry.length.to_le_bytes());
    bytes
}
