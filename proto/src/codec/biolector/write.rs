//! Writes rows as the instruments do; for simulators and tests.

use std::fmt::Write as _;

use super::row::Kind;

/// The Pro's table header, newer generation of names.
pub const PRO_HEADER: &str = "Type;Cycle;Well;Filterset;Time;Amp_1;Amp_2;AmpRef_1;AmpRef_2;Phase;Cal;T_UC_HumSensor_analog;T_LC_PT100;T_UC_PT100;O2;CO2;Humidity;Shaker;Service;User_Comment;Sys_Comment;Reservoir;MF_Volume;T_WB_heating_rod;T_144;T_180;T_181_1;T_192;P_UC_peltier;P_LC_peltier;P_WB_heating_rod;T_UC_HumSensor_digital;T_CO2;X-Pos;Y-Pos;T_LED;Ref_Int;Ref_Phase;Ref_Gain;Ch1-MP;Ch2-MF;Ch3-FA;Ch4-OP;Ch5-FB";

/// The XT's table header.
pub const XT_HEADER: &str = "Type;Cycle;Well;Filterset;Time;Amp_1;Amp_2;AmpRef_1;AmpRef_2;Phase;Cal;T-MTP;O2;CO2;Shaker;Service;User_Comment;Sys_Comment;Reservoir;MF_Volume;TotalVolume;T_UC_PT100;T_LC_PT100;T_WB_heating_pad;T_144;T_180;T_181_1;T_192;P_UC_peltier;P_LC_peltier;P_WB_heating_pad;X-Pos;Y-Pos;Ref_Int;Ref_Phase;Ref_Gain;Ch1-MP;Ch2-FR;Ch3-IP;Ch4-PP;Ch5-OP";

/// Which table a row is written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// BioLector Pro.
    Pro,
    /// BioLector XT.
    Xt,
}

impl Table {
    /// Its header line, without a line end.
    pub fn header(self) -> &'static str {
        match self {
            Self::Pro => PRO_HEADER,
            Self::Xt => XT_HEADER,
        }
    }

    /// How many cells a row of `kind` has: XT rows are always whole, Pro rows end where their figures do.
    pub fn cells(self, kind: Kind) -> usize {
        match (self, kind) {
            (Self::Xt, _) => 41,
            (Self::Pro, Kind::Environment) => 44,
            (Self::Pro, Kind::Comment) => 24,
            (Self::Pro, Kind::Fluid) => 25,
            (Self::Pro, _) => 39,
        }
    }
}

/// The key cells of a row, as text: the Pro writes `0001`, `009`, `02`, `47`; the XT `001`, `B08`, `2`, `000047`.
#[derive(Debug, Clone, Copy)]
pub struct Keys<'a> {
    /// Cycle.
    pub cycle: u32,
    /// The well's number (Pro) or label (XT); empty where the row has none.
    pub well: &'a str,
    /// Filter set.
    pub filterset: Option<u32>,
    /// Whole seconds since the start.
    pub time_s: u64,
}

/// Appends one row with the given cells beyond the keys, by column name, and a line feed.
///
/// Names that the table does not have are left out.
pub fn row(out: &mut String, table: Table, kind: Kind, keys: Keys<'_>, cells: &[(&str, &str)]) {
    let mut line: Vec<String> = vec![String::new(); table.cells(kind)];
    let mut put = |at: usize, text: String| {
        if let Some(cell) = line.get_mut(at) {
            *cell = text;
        }
    };
    put(0, char::from(kind.letter()).to_string());
    let set = |n: u32| if table == Table::Pro { format!("{n:02}") } else { n.to_string() };
    match table {
        Table::Pro => {
            put(1, format!("{:04}", keys.cycle));
            put(4, keys.time_s.to_string());
        }
        Table::Xt => {
            put(1, format!("{:03}", keys.cycle));
            put(4, format!("{:06}", keys.time_s));
        }
    }
    put(2, keys.well.to_owned());
    put(3, keys.filterset.map(set).unwrap_or_default());
    for (name, text) in cells {
        if let Some(at) = table.header().split(';').position(|column| column == *name) {
            put(at, (*text).to_owned());
        }
    }
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{}", line.join(";"));
}

#[cfg(test)]
mod tests {
    use super::super::columns::{Column, Layout};
    use super::super::row::{TableLine, figure, read};
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for (table, well) in [(Table::Pro, "009"), (Table::Xt, "B08")] {
            let layout = Layout::read(table.header().as_bytes()).expect("a header");
            let mut out = String::new();
            let keys = Keys { cycle: 7, well, filterset: Some(2), time_s: 47 };
            row(&mut out, table, Kind::Measurement, keys, &[("Amp_1", "8.57"), ("Phase", "nan"), ("Cal", "0.00")]);
            let TableLine::Row(read) = read(out.trim_end().as_bytes(), &layout) else { panic!("no row: {out}") };
            assert_eq!((read.kind, read.cycle, read.well), (Kind::Measurement, 7, well.as_bytes()));
            assert_eq!((read.filterset, read.time_s), (Some(2), Some(47.0)));
            assert_eq!(figure(&read.cells, &layout, Column::Amp1).number(), Some(8.57));
        }
    }
}
