//! The rows of the Pro's and the XT's tables.

use super::columns::{Cells, Column, Layout};
use super::number::{self, Cell};

/// What a row tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `M`: one well and filter set.
    Measurement,
    /// `R`: the reference of a filter set.
    Reference,
    /// `I`: the internal reference of a physical filter (XT).
    Internal,
    /// `P`: conditions.
    Environment,
    /// `C`: a comment or system event.
    Comment,
    /// `F`: a fluid's volume.
    Fluid,
    /// `N`: valve debugging of early microfluidic devices; the cells do not follow the header.
    Valve,
}

impl Kind {
    /// The letter in the file.
    pub fn letter(self) -> u8 {
        match self {
            Self::Measurement => b'M',
            Self::Reference => b'R',
            Self::Internal => b'I',
            Self::Environment => b'P',
            Self::Comment => b'C',
            Self::Fluid => b'F',
            Self::Valve => b'N',
        }
    }

    fn of(cell: &[u8]) -> Option<Self> {
        match cell {
            b"M" => Some(Self::Measurement),
            b"R" => Some(Self::Reference),
            b"I" => Some(Self::Internal),
            b"P" => Some(Self::Environment),
            b"C" => Some(Self::Comment),
            b"F" => Some(Self::Fluid),
            b"N" => Some(Self::Valve),
            _ => None,
        }
    }
}

/// Why a line is no whole row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Torn {
    /// Control bytes stand in it.
    ControlBytes,
    /// Its first cell is no row type; a type glued to a number, for instance.
    UnknownType,
    /// It has more cells than the table has columns.
    TooManyCells,
    /// It ends before the figures that its type needs.
    TooFewCells,
    /// A figure is none; two numbers glued together, for instance.
    BadFigure,
    /// Cycle, well, filter set or time are none.
    BadKey,
}

/// One row; what its key cells say, and the cells.
#[derive(Debug, Clone)]
pub struct Row<'a> {
    /// What it tells.
    pub kind: Kind,
    /// The cycle.
    pub cycle: u32,
    /// The well's cell: a number (Pro), a label (XT) or empty. Placeholders come as empty.
    pub well: &'a [u8],
    /// The filter set.
    pub filterset: Option<u32>,
    /// Seconds since the run's start.
    pub time_s: Option<f64>,
    /// Whether cells repeat the names of their columns, as some versions write instead of nothing.
    pub placeholders: bool,
    /// The cells.
    pub cells: Cells<'a>,
}

/// A line of the table.
#[derive(Debug, Clone)]
pub enum TableLine<'a> {
    /// A row.
    Row(Box<Row<'a>>),
    /// A header line with columns' names; a restart where the table had one before.
    Header,
    /// `=====name=====`.
    Section(&'a [u8]),
    /// `[key] value`.
    Entry(&'a [u8], &'a [u8]),
    /// Nothing.
    Blank,
    /// No whole row.
    Torn(Torn),
}

/// Cells beyond the header's columns that a whole row may have: some devices end rows with a separator, and those whose
/// header stops early write one more figure.
const UNNAMED: usize = 2;

/// The same for conditions under a header that stops before the five pressures: their cells, and a separator.
const UNNAMED_PRESSURES: usize = 6;

/// Reads one line of a table.
pub fn read<'a>(line: &'a [u8], layout: &Layout) -> TableLine<'a> {
    match line.first() {
        None => return TableLine::Blank,
        Some(b'=') => return TableLine::Section(section(line).unwrap_or_default()),
        Some(b'[') => {
            if let Some((key, value)) = entry(line) {
                return TableLine::Entry(key, value);
            }
        }
        Some(b'T') if line.starts_with(b"Type;Cycle;") => return TableLine::Header,
        Some(_) if line.trim_ascii().is_empty() => return TableLine::Blank,
        Some(_) => {}
    }
    match row(line, layout) {
        Ok(row) => TableLine::Row(Box::new(row)),
        Err(torn) => TableLine::Torn(torn),
    }
}

/// The name in a section line such as `====== main ======`.
pub fn section(line: &[u8]) -> Option<&[u8]> {
    let line = line.trim_ascii();
    let name = line.strip_prefix(b"=")?;
    let from = name.iter().position(|b| *b != b'=').unwrap_or(name.len());
    let name = &name[from..];
    let to = name.iter().rposition(|b| *b != b'=').map_or(0, |at| at + 1);
    Some(name[..to].trim_ascii())
}

/// Key and value of a line such as `[process] 224`.
pub fn entry(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = line.trim_ascii().strip_prefix(b"[")?;
    let end = rest.iter().position(|b| *b == b']')?;
    Some((&rest[..end], rest[end + 1..].trim_ascii()))
}

/// The cell of a known column in a row of `layout`.
pub fn figure(cells: &Cells<'_>, layout: &Layout, column: Column) -> Cell {
    match layout.at(column) {
        Some(at) => figure_at(cells, layout, at),
        None => Cell::Empty,
    }
}

/// The figure in the cell at `at`; a placeholder (the column's own name) counts as empty.
pub fn figure_at(cells: &Cells<'_>, layout: &Layout, at: usize) -> Cell {
    let text = cells.get(at);
    match number::cell(text) {
        Cell::Invalid if is_placeholder(text, layout, at) => Cell::Empty,
        cell => cell,
    }
}

/// The text in the cell of a known column, without placeholders.
pub fn text<'a>(cells: &Cells<'a>, layout: &Layout, column: Column) -> &'a [u8] {
    let Some(at) = layout.at(column) else { return &[] };
    let text = cells.get(at).trim_ascii();
    if is_placeholder(text, layout, at) { &[] } else { text }
}

/// Shortened headers call the column after the shaker `Comment`, where the table really has the service code.
fn is_placeholder(text: &[u8], layout: &Layout, at: usize) -> bool {
    layout.names().get(at).is_some_and(|name| name.as_bytes() == text) || text == b"Comment"
}

fn row<'a>(line: &'a [u8], layout: &Layout) -> Result<Row<'a>, Torn> {
    let cells = Cells::split(line);
    let kind = Kind::of(cells.get(0)).ok_or(Torn::UnknownType)?;
    if kind == Kind::Valve {
        let cycle = number::whole(cells.get(1)).unwrap_or(0);
        return Ok(Row { kind, cycle, well: &[], filterset: None, time_s: None, placeholders: false, cells });
    }
    if kind != Kind::Comment {
        if line.iter().any(|b| *b < 0x20 || *b == 0x7f) {
            return Err(Torn::ControlBytes);
        }
        if cells.two_points {
            return Err(Torn::BadFigure);
        }
        let pressures = layout.names().last().is_some_and(|name| name.starts_with("Ch5-"));
        let unnamed = if kind == Kind::Environment && !pressures { UNNAMED_PRESSURES } else { UNNAMED };
        if cells.count() > layout.names().len() + unnamed {
            return Err(Torn::TooManyCells);
        }
    }
    let needed = match kind {
        Kind::Measurement => layout.at(Column::Cal),
        Kind::Reference => layout.at(Column::Amp1),
        Kind::Fluid => layout.at(Column::Volume),
        Kind::Internal | Kind::Environment | Kind::Comment | Kind::Valve => layout.at(Column::Time),
    };
    if cells.count() <= needed.unwrap_or(4) {
        return Err(Torn::TooFewCells);
    }
    let at = |column: Column| layout.at(column).map_or(&[][..], |at| cells.get(at));
    let cycle = number::whole(at(Column::Cycle)).ok_or(Torn::BadKey)?;
    let mut placeholders = false;
    let mut key = |column: Column| {
        let cell = at(column).trim_ascii();
        let placeholder = layout.name(column).is_some_and(|name| name.as_bytes() == cell);
        placeholders |= placeholder;
        if placeholder { &[][..] } else { cell }
    };
    let well = key(Column::Well);
    let filterset_cell = key(Column::Filterset);
    let filterset = number::whole(filterset_cell);
    let time_s = number::cell(key(Column::Time)).number().filter(|t| (0.0..1e9).contains(t));
    let bad_key = match kind {
        Kind::Measurement => well.is_empty() || filterset.is_none() || time_s.is_none(),
        Kind::Reference | Kind::Internal => filterset.is_none() || time_s.is_none(),
        Kind::Fluid => well.is_empty() || time_s.is_none(),
        Kind::Environment => time_s.is_none() || (!filterset_cell.is_empty() && filterset.is_none()),
        Kind::Comment | Kind::Valve => false,
    };
    if bad_key {
        return Err(Torn::BadKey);
    }
    let figures: &[Column] = match kind {
        Kind::Measurement | Kind::Reference => {
            &[Column::Amp1, Column::Amp2, Column::AmpRef1, Column::AmpRef2, Column::Phase, Column::Cal]
        }
        Kind::Fluid => &[Column::Volume],
        Kind::Internal | Kind::Environment | Kind::Comment | Kind::Valve => &[],
    };
    for column in figures {
        if let Some(at) = layout.at(*column) {
            let text = cells.get(at);
            if number::cell(text) == Cell::Invalid {
                if !is_placeholder(text, layout, at) {
                    return Err(Torn::BadFigure);
                }
                placeholders = true;
            }
        }
    }
    Ok(Row { kind, cycle, well, filterset, time_s, placeholders, cells })
}

#[cfg(test)]
mod tests {
    use super::super::write::PRO_HEADER;
    use super::*;
    use proptest::prelude::*;

    fn layout() -> Layout {
        Layout::read(PRO_HEADER.as_bytes()).expect("a header")
    }

    fn torn(line: &str) -> Option<Torn> {
        match read(line.as_bytes(), &layout()) {
            TableLine::Torn(torn) => Some(torn),
            _ => None,
        }
    }

    #[test]
    fn torn_lines_say_why() {
        let good = "M;0618;009;02;370334;74.72;0.00;0.00;0.00;57.48;5.14;29.90;30.00;31.60;19.39;-9999.00;85.50;1400;";
        assert_eq!(torn(good), None);
        assert_eq!(torn("M-1000.00;-9.766;-72.260;23;3588.34;72.13;4"), Some(Torn::UnknownType));
        assert_eq!(torn(&good.replace("74.72", "74.7212.5")), Some(Torn::BadFigure));
        assert_eq!(torn(&good.replace("74.72", "74-72")), Some(Torn::BadFigure));
        assert_eq!(torn(&good.replace("85.50", "85\u{10}50")), Some(Torn::ControlBytes));
        assert_eq!(torn(&good.replace("0618", "06M8")), Some(Torn::BadKey));
        assert_eq!(torn(&good[..40]), Some(Torn::TooFewCells));
        assert_eq!(torn(&format!("{good}{}", ";1".repeat(40))), Some(Torn::TooManyCells));
    }

    /// BioLection 3.16 and 3.17: the header ends with `Temp_Ch4`, measurements go two cells beyond it and conditions five.
    #[test]
    fn a_header_may_stop_before_the_rows_do() {
        let header = &PRO_HEADER[..PRO_HEADER.find(";T_144").expect("there")];
        let layout = Layout::read(header.as_bytes()).expect("a header");
        assert_eq!(layout.names().len(), 24);
        let rows = [
            (
                "M;0001;007;01;54;9.96;0.00;74.78;0.00;-4.13;0.00;22.20;25.20;21.30;-9999.00;0.00;50.43;799;;;;;;37.30;;",
                26,
            ),
            ("P;0001;;;10;;;;;;;21.80;24.60;21.30;-9999.00;0.00;49.85;0;;;;;;31.40;;;;;", 29),
            ("P;0001;;;10;;;;;;;21.80;24.60;21.30;-9999.00;0.00;49.85;0;;;;;;31.40;1.9;0.8;0.8;0.8;0.8;", 30),
            ("F;0001;003;;90;;;;;;;;;;;;;;;;;-1;0.000;800.00;0.00", 25),
        ];
        for (line, cells) in rows {
            let TableLine::Row(row) = read(line.as_bytes(), &layout) else { panic!("no row: {line}") };
            assert_eq!(row.cells.count(), cells);
        }
        let glued = format!("{}{}", rows[1].0, rows[0].0);
        assert!(matches!(read(glued.as_bytes(), &layout), TableLine::Torn(Torn::TooManyCells)));
    }

    #[test]
    fn comments_may_hold_anything() {
        let line = b"C;0001;;;622;;;;;;;;;;;;;;;a;b \x10; c.1.2;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;";
        let TableLine::Row(row) = read(line, &layout()) else { panic!("no row") };
        assert_eq!(text(&row.cells, &layout(), Column::UserComment), b"a");
    }

    #[test]
    fn names_of_columns_count_as_nothing() {
        let line = b"R;0047;Well;01;35925;230.87;0.00;AmpRef_1;AmpRef_2;Phase;Cal;29.9";
        let TableLine::Row(row) = read(line, &layout()) else { panic!("no row") };
        assert!(row.placeholders && row.well.is_empty());
        assert_eq!(figure(&row.cells, &layout(), Column::Phase), Cell::Empty);
        assert_eq!(figure(&row.cells, &layout(), Column::Amp1), Cell::Number(230.87));
    }

    #[test]
    fn sections_and_entries() {
        assert_eq!(section(b"====== main ====== "), Some(&b"main"[..]));
        assert_eq!(section(b"=="), Some(&b""[..]));
        assert_eq!(entry(b"[process] 392 "), Some((&b"process"[..], &b"392"[..])));
        assert_eq!(entry(b"[user]"), Some((&b"user"[..], &b""[..])));
        assert_eq!(entry(b"[user"), None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&bytes, &layout());
        }

        #[test]
        fn no_near_rows_panic(text in "[MRPCFNI=\\[T][0-9;.\\-A-Za-z_ ]{0,120}") {
            let _ = read(text.as_bytes(), &layout());
        }
    }
}
