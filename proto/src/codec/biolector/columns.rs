//! The columns of the Pro's and the XT's tables: generations of names for the same things.

/// A column whose meaning is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Column {
    /// Row type.
    Type,
    /// Cycle.
    Cycle,
    /// Well: a number into the header's table (Pro) or a label (XT).
    Well,
    /// Filter set.
    Filterset,
    /// Seconds since the start.
    Time,
    /// Raw amplitude.
    Amp1,
    /// Raw amplitude of the second detector.
    Amp2,
    /// Referenced amplitude.
    AmpRef1,
    /// Referenced amplitude of the second detector.
    AmpRef2,
    /// Phase, degrees.
    Phase,
    /// Calibrated value.
    Cal,
    /// The temperature that calibrations refer to, degrees Celsius.
    Temperature,
    /// Oxygen, percent.
    O2,
    /// Carbon dioxide, percent.
    Co2,
    /// Relative humidity, percent.
    Humidity,
    /// Shaker, revolutions per minute.
    Shaker,
    /// Service code.
    Service,
    /// Text of users and scripts.
    UserComment,
    /// Text of the system.
    SysComment,
    /// From where a fluid came.
    Reservoir,
    /// Volume pumped so far, microlitres.
    Volume,
    /// A well's whole volume, microlitres; the Pro puts it under a temperature's heading.
    TotalVolume,
    /// Reference intensity.
    RefInt,
    /// Reference phase, degrees.
    RefPhase,
}

const COLUMNS: usize = 24;

/// Every name that a known column had in some generation of the software.
const ALIASES: &[(&str, Column)] = &[
    ("Type", Column::Type),
    ("Cycle", Column::Cycle),
    ("Well", Column::Well),
    ("Filterset", Column::Filterset),
    ("Time", Column::Time),
    ("Amp_1", Column::Amp1),
    ("Amp_2", Column::Amp2),
    ("AmpRef_1", Column::AmpRef1),
    ("AmpRef_2", Column::AmpRef2),
    ("Phase", Column::Phase),
    ("Cal", Column::Cal),
    ("Temp_up", Column::Temperature),
    ("T_UC_HumSensor_analog", Column::Temperature),
    ("T-MTP", Column::Temperature),
    ("O2", Column::O2),
    ("CO2", Column::Co2),
    ("Humidity", Column::Humidity),
    ("Shaker", Column::Shaker),
    ("Service", Column::Service),
    ("User_Comment", Column::UserComment),
    ("Sys_Comment", Column::SysComment),
    ("Reservoir", Column::Reservoir),
    ("MF_Volume", Column::Volume),
    ("TotalVolume", Column::TotalVolume),
    ("Temp_Ch4", Column::TotalVolume),
    ("T_WB_heating_rod", Column::TotalVolume),
    ("Ref_Int", Column::RefInt),
    ("Ref_Phase", Column::RefPhase),
];

/// No such column.
const NONE: u8 = u8::MAX;

/// Most cells of a line that are looked at; the widest known table has 44 columns.
pub const MAX_CELLS: usize = 64;

/// Where each known column stands in one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    names: Vec<String>,
    index: [u8; COLUMNS],
    temperatures: Vec<u8>,
}

impl Layout {
    /// Reads a table's header line; `None` where one of the first five columns is missing.
    pub fn read(line: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(line);
        let mut names: Vec<String> = text.trim_end().split(';').map(|name| name.trim().to_owned()).collect();
        while names.last().is_some_and(String::is_empty) {
            names.pop();
        }
        names.truncate(MAX_CELLS);
        let mut index = [NONE; COLUMNS];
        let mut temperatures = Vec::new();
        for (at, name) in (0u8..).zip(&names) {
            if let Some((_, column)) = ALIASES.iter().find(|(alias, _)| alias == name) {
                let slot = &mut index[*column as usize];
                if *slot == NONE {
                    *slot = at;
                }
            }
            if name.starts_with("T_") || name.starts_with("T-") || name.starts_with("Temp") {
                temperatures.push(at);
            }
        }
        let key = [Column::Type, Column::Cycle, Column::Well, Column::Filterset, Column::Time];
        key.iter().all(|column| index[*column as usize] != NONE).then_some(Self { names, index, temperatures })
    }

    /// Where `column` stands, from 0.
    pub fn at(&self, column: Column) -> Option<usize> {
        match self.index[column as usize] {
            NONE => None,
            at => Some(usize::from(at)),
        }
    }

    /// The name under which `column` stands.
    pub fn name(&self, column: Column) -> Option<&str> {
        self.at(column).and_then(|at| self.names.get(at)).map(String::as_str)
    }

    /// The columns' names, in order.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The columns that hold temperatures.
    pub fn temperatures(&self) -> impl Iterator<Item = (usize, &str)> {
        self.temperatures.iter().filter_map(|at| {
            let at = usize::from(*at);
            self.names.get(at).map(|name| (at, name.as_str()))
        })
    }
}

/// The cells of one line.
#[derive(Debug, Clone)]
pub struct Cells<'a> {
    cells: [&'a [u8]; MAX_CELLS],
    count: usize,
    /// Whether some cell holds two decimal points: two numbers glued together.
    pub two_points: bool,
}

impl<'a> Cells<'a> {
    /// Splits a line at `;`. Cells beyond [`MAX_CELLS`] are counted, not kept.
    pub fn split(line: &'a [u8]) -> Self {
        let mut cells: [&[u8]; MAX_CELLS] = [&[]; MAX_CELLS];
        let (mut count, mut start, mut points, mut two_points) = (0, 0, 0u32, false);
        for (at, byte) in line.iter().enumerate() {
            match byte {
                b';' => {
                    if let Some(cell) = cells.get_mut(count) {
                        *cell = &line[start..at];
                    }
                    count += 1;
                    start = at + 1;
                    points = 0;
                }
                b'.' => {
                    points += 1;
                    two_points |= points > 1;
                }
                _ => {}
            }
        }
        if let Some(cell) = cells.get_mut(count) {
            *cell = &line[start..];
        }
        Self { cells, count: count + 1, two_points }
    }

    /// The cell at `at`, empty where there is none.
    pub fn get(&self, at: usize) -> &'a [u8] {
        self.cells.get(at).copied().unwrap_or_default()
    }

    /// How many cells the line has.
    pub fn count(&self) -> usize {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generations_of_names_stand_for_the_same() {
        let old = Layout::read(b"Type;Cycle;Well;Filterset;Time;Amp_1;Cal;Temp_up;Temp_Ch4").expect("a header");
        let new = Layout::read(b"Type;Cycle;Well;Filterset;Time;Amp_1;Cal;T_UC_HumSensor_analog;T_WB_heating_rod;")
            .expect("a header");
        assert_eq!(old.at(Column::Temperature), new.at(Column::Temperature));
        assert_eq!(new.name(Column::Temperature), Some("T_UC_HumSensor_analog"));
        assert_eq!(new.at(Column::TotalVolume), Some(8));
        assert_eq!(new.names().len(), 9, "the trailing separator is no column");
        assert_eq!(new.temperatures().map(|(at, _)| at).collect::<Vec<_>>(), [7, 8]);
        assert_eq!(new.at(Column::Humidity), None);
        assert!(Layout::read(b"Type;Cycle").is_none());
    }

    #[test]
    fn cells_beyond_the_limit_are_counted() {
        let line = vec![b';'; 200];
        let cells = Cells::split(&line);
        assert_eq!((cells.count(), cells.get(150)), (201, &b""[..]));
        assert!(Cells::split(b"a;1.2.3;b").two_points);
        assert!(!Cells::split(b"1.2;1.3").two_points);
    }
}
