//! BioLector I files, format 3.3: a header of fixed lines, then rows of readings. Latin-1, `;`, decimal point.
//!
//! While a run goes on the device rewrites the `DATE END` line in place, padded to the same length. On some
//! devices the running data stand in `header.csv` and one `C<n>.tmp` for each cycle; joined they are the file.

use super::columns::Cells;
use super::number::{self, Cell};
use super::row::Torn;

/// Most filter sets that are kept.
const MAX_CHANNELS: usize = 99;

/// What a header says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Header {
    /// `PROTOCOL`.
    pub protocol: String,
    /// `FILE_VERSION`.
    pub file_version: String,
    /// `DATE START` as written, date and time joined by a blank; local time without zone.
    pub start: String,
    /// `DATE END`, the same form; equal to the start while nothing else is known.
    pub end: String,
    /// `Last Reading`, on the same line: the number of the last cycle that the header knows of.
    pub last_reading: Option<u32>,
    /// `DEVICE`.
    pub device: String,
    /// `USER`.
    pub user: String,
    /// `COMMENT`.
    pub comment: String,
    /// `PLATETYPE`.
    pub plate: String,
    /// `LOT`.
    pub lot: String,
    /// `MTP ROWS`.
    pub rows: u32,
    /// `MTP COLUMNS`.
    pub columns: u32,
    /// Filter sets, in order.
    pub channels: Vec<Channel>,
    /// Process set-points by their names without unit (`SET TEMPERATURE` …).
    pub settings: Vec<(String, f64)>,
    /// The number of columns, from the table's header line.
    pub width: usize,
    /// Names of the temperature columns beyond `ACT TEMP`, with their places.
    pub temperatures: Vec<(usize, String)>,
}

/// One filter set.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Channel {
    /// Its number.
    pub filterset: u32,
    /// `FILTERNAME`.
    pub name: String,
    /// `LAYOUT`.
    pub layout: String,
    /// `GAIN`.
    pub gain: Option<f64>,
    /// `REFERENCE VALUE`; absent where it is 0.
    pub reference_value: Option<f64>,
}

/// What a line of the header was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderLine {
    /// Part of the header.
    Inside,
    /// The table's header line: the header is over, rows follow.
    Table,
}

impl Header {
    /// Takes the next line, without its end. Unknown lines are passed over.
    pub fn take(&mut self, line: &[u8]) -> HeaderLine {
        let cells = Cells::split(line);
        let text = |at: usize| latin1(cells.get(at));
        match cells.get(0).trim_ascii() {
            b"READING" => {
                self.width = line.split(|b| *b == b';').count();
                self.temperatures = (13..self.width.min(super::columns::MAX_CELLS))
                    .map(|at| (at, text(at)))
                    .filter(|(_, name)| name.starts_with("TEMP"))
                    .collect();
                return HeaderLine::Table;
            }
            b"PROTOCOL" => self.protocol = text(1),
            b"FILE_VERSION" => self.file_version = text(1),
            b"DATE START" => self.start = format!("{} {}", text(1), text(2)),
            b"DATE END" => {
                self.end = format!("{} {}", text(1), text(2));
                self.last_reading = number::whole(cells.get(5));
            }
            b"DEVICE" => self.device = text(1),
            b"USER" => (self.user, self.comment) = (text(1), text(3)),
            b"PLATETYPE" => (self.plate, self.lot) = (text(1), text(3)),
            b"MTP ROWS" => self.rows = number::whole(cells.get(1)).unwrap_or(0),
            b"MTP COLUMNS" => self.columns = number::whole(cells.get(1)).unwrap_or(0),
            first => {
                if let Some(filterset) = number::whole(first)
                    && self.channels.len() < MAX_CHANNELS
                {
                    self.channels.push(Channel {
                        filterset,
                        name: text(1),
                        layout: text(4),
                        gain: number::cell(cells.get(6)).number(),
                        reference_value: number::cell(cells.get(9)).number().filter(|v| *v > 0.0),
                    });
                }
                if cells.count() > 13
                    && cells.get(12).starts_with(b"SET ")
                    && self.settings.len() < MAX_CHANNELS
                    && let Some(value) = number::cell(cells.get(13)).number()
                {
                    let name = text(12);
                    let name = name.split(" [").next().unwrap_or_default().to_owned();
                    self.settings.push((name, value));
                }
            }
        }
        HeaderLine::Inside
    }

    /// A process set-point by its name without unit.
    pub fn setting(&self, name: &str) -> Option<f64> {
        self.settings.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
    }
}

/// A row.
#[derive(Debug, Clone, PartialEq)]
pub enum Row<'a> {
    /// `C<n>`: one well and filter set.
    Measurement {
        /// The cycle.
        cycle: u32,
        /// The well's label.
        well: &'a [u8],
        /// The filter set.
        filterset: u32,
        /// Hours since the start.
        time_h: f64,
        /// Raw amplitude.
        amplitude: Cell,
        /// Phase, degrees.
        phase: Cell,
        /// Actual temperature, degrees Celsius.
        temperature: Cell,
    },
    /// `R`: the reference of a filter set; it begins a cycle where the filter sets begin again.
    Reference {
        /// The filter set.
        filterset: u32,
        /// Hours since the start.
        time_h: f64,
        /// Raw amplitude.
        amplitude: Cell,
        /// Phase, degrees.
        phase: Cell,
        /// The remark.
        text: &'a [u8],
    },
    /// `K`: comments and events, several separated by commas.
    Comment {
        /// Hours since the start.
        time_h: Option<f64>,
        /// The texts.
        text: &'a [u8],
    },
}

/// A line of the table.
#[derive(Debug, Clone, PartialEq)]
pub enum TableLine<'a> {
    /// A row.
    Row(Row<'a>),
    /// The table's header line again.
    Header,
    /// Nothing.
    Blank,
    /// No whole row.
    Torn(Torn),
}

/// Reads one line of the table; `width` is the number of columns in its header line.
pub fn read(line: &[u8], width: usize) -> TableLine<'_> {
    if line.trim_ascii().is_empty() {
        return TableLine::Blank;
    }
    if line.starts_with(b"READING;") {
        return TableLine::Header;
    }
    match row(line, width) {
        Ok(row) => TableLine::Row(row),
        Err(torn) => TableLine::Torn(torn),
    }
}

fn row(line: &[u8], width: usize) -> Result<Row<'_>, Torn> {
    let cells = Cells::split(line);
    let time = || number::cell(cells.get(5)).number().filter(|t| (0.0..1e6).contains(t));
    let first = cells.get(0).trim_ascii();
    if first == b"K" {
        return Ok(Row::Comment { time_h: time(), text: cells.get(12).trim_ascii() });
    }
    let cycle = first.strip_prefix(b"C").and_then(number::whole);
    if cycle.is_none() && first != b"R" {
        return Err(Torn::UnknownType);
    }
    if line.iter().any(|b| *b < 0x20 || *b == 0x7f) {
        return Err(Torn::ControlBytes);
    }
    if cells.two_points && Cells::split(&line[..upto_comment(line)]).two_points {
        return Err(Torn::BadFigure);
    }
    // One cell more is a separator at the end.
    if cells.count() > width.max(13) + 1 {
        return Err(Torn::TooManyCells);
    }
    if cells.count() < 12 {
        return Err(Torn::TooFewCells);
    }
    let filterset = number::whole(cells.get(4)).ok_or(Torn::BadKey)?;
    let time_h = time().ok_or(Torn::BadKey)?;
    let (amplitude, phase) = (number::cell(cells.get(6)), number::cell(cells.get(7)));
    if amplitude == Cell::Invalid || phase == Cell::Invalid {
        return Err(Torn::BadFigure);
    }
    match cycle {
        Some(cycle) => {
            let well = cells.get(1).trim_ascii();
            if well.is_empty() {
                return Err(Torn::BadKey);
            }
            let temperature = number::cell(cells.get(8));
            Ok(Row::Measurement { cycle, well, filterset, time_h, amplitude, phase, temperature })
        }
        None => Ok(Row::Reference { filterset, time_h, amplitude, phase, text: cells.get(12).trim_ascii() }),
    }
}

/// Where the thirteenth cell, the free text, begins.
fn upto_comment(line: &[u8]) -> usize {
    line.iter().enumerate().filter(|(_, b)| **b == b';').nth(11).map_or(line.len(), |(at, _)| at)
}

/// Latin-1 to text: each byte is the code point of the same number.
pub fn latin1(bytes: &[u8]) -> String {
    bytes.trim_ascii().iter().map(|b| char::from(*b)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filter_rows_and_set_points_stand_in_parallel() {
        let mut header = Header::default();
        for line in [
            &b"DATE START;2018-05-03;13:49:00"[..],
            b" 1;Biomass;620;620;48MTP;1;15;1.00;100.00;179.00;;;SET TEMPERATURE [\xb0C];30.00",
            b";;;;;;;;;;;;SET CYCLE TIME [min];5",
            b"12;pH-hc;470;525;48MTP;8;20;1.00;100.00;0.00;;;",
        ] {
            assert_eq!(header.take(line), HeaderLine::Inside);
        }
        assert_eq!(header.take(b"READING;WELLNUM;C;D;F;T;A;P;T;H;O;C;COMMENTS;TEMP CHAMBER"), HeaderLine::Table);
        assert_eq!(header.start, "2018-05-03 13:49:00");
        assert_eq!(header.channels.iter().map(|c| c.filterset).collect::<Vec<_>>(), [1, 12]);
        assert_eq!(header.channels[0].reference_value, Some(179.0));
        assert_eq!(header.channels[1].reference_value, None);
        assert_eq!(header.setting("SET CYCLE TIME"), Some(5.0));
        assert_eq!((header.width, header.temperatures.len()), (14, 1));
    }

    #[test]
    fn rows_of_every_kind() {
        let line = b"C12;F01;X41;;1;0.02687;24.43;0.0;30.30;55.09;22.26;0.00; ;30.30;32.20;25.40";
        let TableLine::Row(Row::Measurement { cycle: 12, well: b"F01", filterset: 1, time_h, amplitude, .. }) =
            read(line, 16)
        else {
            panic!("no measurement");
        };
        assert_eq!((time_h, amplitude), (0.02687, Cell::Number(24.43)));
        let text = &b"PAUSE   ON"[..];
        assert_eq!(
            read(b"K;;;;;90.73857;;;;;;;PAUSE   ON;", 16),
            TableLine::Row(Row::Comment { time_h: Some(90.73857), text })
        );
        assert_eq!(read(b"C1;A01;X1;;1;0.02.687;24.43;0.0;30;55;22;0;", 13), TableLine::Torn(Torn::BadFigure));
        assert_eq!(read(b"C1A01", 13), TableLine::Torn(Torn::UnknownType));
        assert_eq!(read(b"C1;A01;X1;;1;0.02", 13), TableLine::Torn(Torn::TooFewCells));
    }
}
