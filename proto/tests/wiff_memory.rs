//! What a hostile `.wiff` can cost in memory. One test in a process of its own: the high-water mark belongs to the process.

use std::io::{self, Read, Seek, SeekFrom};

use instrument_proto::codec::wiff::{Limits, Unknown, read};

/// A reading with the default limits stays below this.
const MOST_MIB: u64 = 40;

/// A file of zeros with some bytes at its start, of any length.
struct Sparse {
    start: Vec<u8>,
    length: u64,
    position: u64,
}

impl Read for Sparse {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.length.saturating_sub(self.position).min(into.len() as u64) as usize;
        for (index, byte) in into[..count].iter_mut().enumerate() {
            *byte = self.start.get(self.position as usize + index).copied().unwrap_or(0);
        }
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for Sparse {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.position = match to {
            SeekFrom::Start(position) => position,
            SeekFrom::End(by) => self.length.saturating_add_signed(by),
            SeekFrom::Current(by) => self.position.saturating_add_signed(by),
        };
        Ok(self.position)
    }
}

/// The resident memory that this process had at most, in KiB.
fn high_water() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.trim().strip_suffix("kB")?.trim().parse().ok()
}

fn a_file_that_claims_terabytes_costs_no_memory() {
    for (version, shift) in [(3u8, 9u8), (4, 12)] {
        for fill in [0u32, 1, 0xffff_fff0] {
            let mut start = vec![0; 512];
            start[..8].copy_from_slice(&[0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1]);
            start[26] = version;
            start[28..34].copy_from_slice(&[0xfe, 0xff, shift, 0, 6, 0]);
            start[57] = 0x10;
            for field in (40..512).step_by(4).filter(|field| *field != 56) {
                start[field..field + 4].copy_from_slice(&fill.to_le_bytes());
            }
            let limits = Limits::default();
            let wiff = read(Sparse { start, length: 1 << 42, position: 0 }, &limits);
            assert!(wiff.spent.bytes <= limits.bytes && wiff.spent.reads <= limits.reads);
            assert!(wiff.samples.is_empty());
        }
    }
}

/// The head of a container of 4 GiB in which one stream, the index of a sample, takes nearly all sectors.
fn enormous() -> Sparse {
    const SECTORS: u32 = (1 << 20) - 8;
    const FAT: u32 = 1024;
    let mut start = vec![0u8; 4096 * (2 + FAT as usize + 2)];
    let mut put = |at: usize, bytes: &[u8]| start[at..at + bytes.len()].copy_from_slice(bytes);
    let sector = |number: u32| (number as usize + 1) * 4096;
    put(0, &[0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1]);
    put(26, &[4, 0, 0xfe, 0xff, 12, 0, 6, 0]);
    // One sector of the list, then the allocation table, then the directory, then the stream.
    let (directory, stream) = (FAT + 1, FAT + 2);
    for (at, word) in [(40, 1), (44, FAT), (48, directory), (56, 4096), (60, 0xffff_fffe), (68, 0), (72, 1)] {
        put(at, &word.to_le_bytes());
    }
    for index in 0..FAT {
        let at = if index < 109 { 76 + index as usize * 4 } else { sector(0) + (index as usize - 109) * 4 };
        put(at, &(index + 1).to_le_bytes());
    }
    for index in FAT - 109..1023 {
        put(sector(0) + index as usize * 4, &0xffff_ffffu32.to_le_bytes());
    }
    put(sector(0) + 1023 * 4, &0xffff_fffeu32.to_le_bytes());
    for index in 0..FAT * 1024 {
        let next = match index {
            0 => 0xffff_fffc,
            index if index <= FAT => 0xffff_fffd,
            index if index == directory => 0xffff_fffe,
            index if index < SECTORS - 1 => index + 1,
            index if index == SECTORS - 1 => 0xffff_fffe,
            _ => 0xffff_ffffu32,
        };
        put(sector(1) + index as usize * 4, &next.to_le_bytes());
    }
    let length = u64::from(SECTORS - stream) * 4096;
    let entries = [("Root Entry", 5u8, 1u32), ("SampleSubtree", 1, 2), ("Sample1", 1, 3), ("Idx", 2, 0xffff_ffff)];
    for (index, (name, kind, child)) in entries.into_iter().enumerate() {
        let at = sector(directory) + index * 128;
        put(at, &name.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>());
        put(at + 64, &((name.len() as u16 + 1) * 2).to_le_bytes());
        put(at + 66, &[kind, 1]);
        put(at + 68, &[0xff; 8]);
        put(at + 76, &child.to_le_bytes());
        if kind == 2 {
            put(at + 116, &stream.to_le_bytes());
            put(at + 120, &length.to_le_bytes());
        }
    }
    Sparse { start, length: 4096 * u64::from(SECTORS + 1), position: 0 }
}

fn the_largest_container_that_is_opened_stays_below_its_memory() {
    let file = enormous();
    let limits = Limits::default();
    let wiff = read(file, &limits);
    let container = wiff.container.as_ref().expect("a container");
    assert_eq!(container.defects, []);
    // All zeros: a last record that is empty.
    let [sample] = &wiff.samples[..] else { panic!("one sample: {wiff:?}") };
    assert!(
        matches!(&sample.scans, Err(Unknown::Malformed { what, .. }) if what == "last record"),
        "{:?}",
        sample.scans
    );
    assert!(wiff.spent.bytes < 5 << 20, "{:?}", wiff.spent);
    let limits = Limits { sectors: 1 << 16, ..limits };
    let torn = read(enormous(), &limits).container.expect_err("too large");
    assert!(torn.why.contains("more than 65536 sectors") && !torn.may_heal, "{torn}");
}

#[test]
fn no_file_costs_more_than_its_limits_allow() {
    // The test's own copy of the file's head.
    drop(enormous());
    let before = high_water();
    a_file_that_claims_terabytes_costs_no_memory();
    the_largest_container_that_is_opened_stays_below_its_memory();
    if let (Some(before), Some(after)) = (before, high_water()) {
        let more = (after - before) / 1024;
        println!("{more} MiB");
        assert!(more < MOST_MIB, "{more} MiB more");
    }
}
