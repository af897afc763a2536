//! The tables over all samples: `SampleTable`, `SampleIdxTable`, `FileRec_Str`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::Offset;

use super::fields::Fields;
use super::model::{FileRecord, Layout, TableEntry};
use super::reason::{Known, Unknown};

pub(super) const SAMPLE_TABLE: &str = "/SampleSubtree/SampleTable";
pub(super) const INDEX_TABLE: &str = "/SampleSubtree/SampleIdxTable";
pub(super) const FILE_RECORD: &str = "/FileRec_Str";

/// The entries of the sample table.
pub(super) struct SampleTable {
    /// What it declares.
    pub(super) count: Known<u16>,
    /// What could be read, by index.
    pub(super) entries: BTreeMap<u16, TableEntry>,
    /// Why not all declared entries could be read.
    pub(super) cut: Option<Unknown>,
}

/// Reads the sample table, at most `most` entries.
pub(super) fn sample_table(bytes: &[u8], most: usize) -> SampleTable {
    let mut fields = Fields::new(SAMPLE_TABLE, bytes, 0x28);
    let count = fields.u16("number of samples");
    let mut table = SampleTable { count: count.clone(), entries: BTreeMap::new(), cut: count.clone().err() };
    let mut fields = Fields::new(SAMPLE_TABLE, bytes, 0x2c);
    for number in 0..usize::from(count.unwrap_or(0)) {
        if number == most {
            table.cut = Some(Unknown::Limit(format!("more than {most} samples")));
            break;
        }
        match sample_entry(&mut fields) {
            Ok((index, entry)) => {
                table.entries.entry(index).or_insert(entry);
            }
            Err(why) => {
                table.cut = Some(why);
                break;
            }
        }
    }
    table
}

fn sample_entry(fields: &mut Fields<'_>) -> Known<(u16, TableEntry)> {
    let begin = *fields;
    fields.u32("sample entry")?;
    let index = fields.u16("sample index")?;
    let mark = fields.take(12, "sample entry")?;
    let layout = match mark[0] {
        0x34 => Some(Layout::ScanFile),
        0x0c => Some(Layout::SingleFile),
        _ => None,
    };
    let start = fields.u32("start of the sample")?;
    fields.u32("sample entry")?;
    let again = fields.u16("sample index")?;
    if index != again || index == 0 {
        return Err(begin.unsound("sample entry", format!("its index is {index} and again {again}")));
    }
    let comment = fields.text("comment")?;
    let time = Timestamp::from_second(i64::from(start)).map_err(|error| begin.unsound("start", error.to_string()))?;
    // Seconds of the wall clock since 1970, so reading them as UTC gives the wall clock.
    let local_start = Offset::UTC.to_datetime(time);
    Ok((index, TableEntry { local_start, layout, comment }))
}

/// Where each sample's block header stands in the `.wiff.scan`.
pub(super) fn index_table(bytes: &[u8]) -> BTreeMap<u16, u64> {
    let mut places = BTreeMap::new();
    for entry in bytes.get(0x20..).unwrap_or_default().chunks_exact(16) {
        let mut fields = Fields::new(INDEX_TABLE, entry, 0);
        if let (Ok(sample), Ok(offset)) = (fields.u32("sample index"), fields.u32("offset"))
            && let Ok(sample) = u16::try_from(sample)
        {
            places.entry(sample).or_insert(u64::from(offset));
        }
    }
    places
}

/// Who wrote the file.
pub(super) fn file_record(bytes: &[u8]) -> Known<FileRecord> {
    let mut fields = Fields::new(FILE_RECORD, bytes, 0x30);
    let kind = fields.text("kind of file")?;
    let mut software = fields.text("software")?;
    let file_version = fields.text("file version")?;
    // A program's name that is too long runs into the next text.
    if !file_version.is_empty()
        && let Some(at) = software.find(&file_version)
    {
        software.truncate(at);
    }
    fields.u32("file record")?;
    let author = fields.text("author")?;
    let computer = fields.text("computer")?;
    let path = fields.text("path")?;
    Ok(FileRecord { kind, software, file_version, author, computer, path })
}
