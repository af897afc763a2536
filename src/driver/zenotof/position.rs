//! Vial positions and wells: only by a configured numbering rule, which is named.

use crate::config::values::Choice;
use crate::event::Well;

/// How an instrument numbers the positions of a plate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// The position is a label: `A1`, `A01`.
    Label,
    /// 1 is A01, 2 is A02 …: along the rows.
    AlongRows,
    /// 1 is A01, 2 is B01 …: down the columns.
    DownColumns,
}

impl Choice for Rule {
    const WHAT: &'static str = "numbering of positions";
    const CHOICES: &'static [(&'static str, Self, &'static str)] = &[
        ("label", Self::Label, "the position is the well's label"),
        ("along-rows", Self::AlongRows, "1 is A01, 2 is A02 …"),
        ("down-columns", Self::DownColumns, "1 is A01, 2 is B01 …"),
    ];
}

/// The numbering of the plates of one device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numbering {
    /// The rule.
    pub rule: Rule,
    /// Rows of the plate.
    pub rows: u8,
    /// Columns of the plate.
    pub columns: u8,
}

impl Numbering {
    /// The well of a position; `None` where the rule makes none of it.
    pub fn well(&self, position: &str) -> Option<Well> {
        let text = position.trim();
        let well = match self.rule {
            Rule::Label => Well::from_label(text.as_bytes())?,
            Rule::AlongRows | Rule::DownColumns => {
                let number = text.parse::<u32>().ok()?.checked_sub(1)?;
                let (rows, columns) = (u32::from(self.rows), u32::from(self.columns));
                let (row, column) = match self.rule {
                    Rule::DownColumns => (number.checked_rem(rows)?, number.checked_div(rows)?),
                    _ => (number.checked_div(columns)?, number.checked_rem(columns)?),
                };
                Well::new(u8::try_from(row).ok()?, u8::try_from(column).ok()?)?
            }
        };
        (well.row() < self.rows && well.column() < self.columns).then_some(well)
    }

    /// The rule's name, with the plate it is for: `along-rows 8x12`.
    pub fn name(&self) -> String {
        let rule = Rule::CHOICES.iter().find(|(_, rule, _)| *rule == self.rule).map_or("", |(name, ..)| name);
        format!("{rule} {}x{}", self.rows, self.columns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_a_well_only_by_the_rule() {
        let numbered = |rule| Numbering { rule, rows: 8, columns: 12 };
        let well = |rule, text: &str| numbered(rule).well(text).map(|well| well.to_string());
        assert_eq!(well(Rule::AlongRows, "01").as_deref(), Some("A01"));
        assert_eq!(well(Rule::AlongRows, "13").as_deref(), Some("B01"));
        assert_eq!(well(Rule::DownColumns, "13").as_deref(), Some("E02"));
        assert_eq!(well(Rule::AlongRows, "96").as_deref(), Some("H12"));
        assert_eq!(well(Rule::Label, "b7").as_deref(), Some("B07"));
        for (rule, text) in [
            (Rule::AlongRows, "97"),
            (Rule::AlongRows, "0"),
            (Rule::DownColumns, "97"),
            (Rule::AlongRows, "A1"),
            (Rule::Label, "I1"),
            (Rule::Label, "1"),
            (Rule::AlongRows, ""),
        ] {
            assert_eq!(well(rule, text), None, "{text}");
        }
        assert_eq!(numbered(Rule::DownColumns).name(), "down-columns 8x12");
    }
}
