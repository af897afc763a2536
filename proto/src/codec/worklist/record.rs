//! One record.

use std::fmt;

use super::MAX_LABEL;

/// What a line tells the robot.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// `A;`: takes liquid.
    Aspirate(Pipetting),
    /// `D;`: gives liquid.
    Dispense(Pipetting),
    /// `R;`: gives one liquid to a range of wells.
    Distribute(Box<Distribution>),
    /// `W;` (0), `W1;` … `W4;`: washes the tip or changes it.
    Wash(u8),
    /// `WD;`: decontaminates the tip.
    Decontaminate,
    /// `F;`: empties the tip.
    Flush,
    /// `B;`: what stands before it is done before what follows.
    Break,
    /// `S;n`: the disposable tips that follow.
    TipType(u32),
    /// `C;`: a remark.
    Comment(String),
    /// `B;Aspirate(…);` and the like: a line of the control software's script, as it stands after `B;`.
    Script(String),
}

/// Where, how much and how.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Pipetting {
    /// The labware's name on the deck.
    pub rack_label: String,
    /// Its barcode.
    pub rack_id: String,
    /// What it is.
    pub rack_type: String,
    /// The well, counted down the columns from 1.
    pub position: u32,
    /// The tube's barcode.
    pub tube_id: String,
    /// Microlitres.
    pub volume_ul: f64,
    /// The liquid class; empty for the one that stands in the script.
    pub liquid_class: String,
    /// Not used by the control software.
    pub tip_type: String,
    /// Which tips may do it: bit 0 is tip 1.
    pub tip_mask: Option<u32>,
    /// The rack's type in place of the one that stands in the script.
    pub forced_rack_type: String,
}

/// One liquid for a range of wells.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Distribution {
    /// The source's name, barcode and type.
    pub source: [String; 3],
    /// The first and the last source well.
    pub source_wells: (u32, u32),
    /// The destination's name, barcode and type.
    pub destination: [String; 3],
    /// The first and the last destination well.
    pub destination_wells: (u32, u32),
    /// Microlitres for each well.
    pub volume_ul: f64,
    /// The liquid class.
    pub liquid_class: String,
    /// How often a disposable tip is used.
    pub tip_reuses: Option<u32>,
    /// Wells that one aspiration serves.
    pub multi_dispenses: Option<u32>,
    /// 0 from left to right, 1 the other way.
    pub direction: Option<u32>,
    /// Destination wells that are left out.
    pub excluded: Vec<u32>,
}

/// Why a line is no record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mistake {
    /// The letter is none of those that are known.
    #[error("`{0}` begins no record: expected A, D, R, W, WD, F, B, S or C")]
    UnknownRecord(String),
    /// A field is not there.
    #[error("field {field} ({what}) is missing")]
    Missing {
        /// The field, counted from 1; the letter is field 0.
        field: usize,
        /// What it should be.
        what: &'static str,
    },
    /// A field is not what it should be.
    #[error("field {field} is `{value}`, not {what}")]
    Wrong {
        /// The field, counted from 1; the letter is field 0.
        field: usize,
        /// What stands there.
        value: String,
        /// What it should be.
        what: &'static str,
    },
    /// More fields than the record has.
    #[error("more fields than the record has")]
    TooManyFields,
    /// The line is longer than any record.
    #[error("longer than any record")]
    TooLong,
}

impl Record {
    /// Reads one line without its end.
    pub(super) fn read(line: &str) -> Result<Self, Mistake> {
        let (letter, rest) = line.split_once(';').unwrap_or((line, ""));
        let fields = Fields(rest.split(';').collect());
        match letter.trim() {
            "A" => Pipetting::read(&fields).map(Self::Aspirate),
            "D" => Pipetting::read(&fields).map(Self::Dispense),
            "R" => Distribution::read(&fields).map(|distribution| Self::Distribute(Box::new(distribution))),
            "W" => fields.end(0).map(|()| Self::Wash(0)),
            "W1" => fields.end(0).map(|()| Self::Wash(1)),
            "W2" => fields.end(0).map(|()| Self::Wash(2)),
            "W3" => fields.end(0).map(|()| Self::Wash(3)),
            "W4" => fields.end(0).map(|()| Self::Wash(4)),
            "WD" => fields.end(0).map(|()| Self::Decontaminate),
            "F" => fields.end(0).map(|()| Self::Flush),
            "B" if rest.trim().is_empty() => Ok(Self::Break),
            "B" => Ok(Self::Script(rest.to_owned())),
            "S" => {
                let tip_type = fields.whole(1, "a tip type")?;
                fields.end(1).map(|()| Self::TipType(tip_type))
            }
            "C" => Ok(Self::Comment(rest.to_owned())),
            other => Err(Mistake::UnknownRecord(other.chars().take(MAX_LABEL).collect())),
        }
    }
}

impl Pipetting {
    fn read(fields: &Fields<'_>) -> Result<Self, Mistake> {
        let position = fields.whole(4, "a position from 1")?;
        if position == 0 {
            return Err(fields.wrong(4, "a position from 1"));
        }
        fields.end(10)?;
        Ok(Self {
            rack_label: fields.label(1)?,
            rack_id: fields.label(2)?,
            rack_type: fields.text(3),
            position,
            tube_id: fields.label(5)?,
            volume_ul: fields.volume(6)?,
            liquid_class: fields.text(7),
            tip_type: fields.text(8),
            tip_mask: fields.whole_or_nothing(9, "a tip mask")?,
            forced_rack_type: fields.text(10),
        })
    }
}

impl Distribution {
    fn read(fields: &Fields<'_>) -> Result<Self, Mistake> {
        let rack = |first: usize| -> Result<[String; 3], Mistake> {
            Ok([fields.label(first)?, fields.label(first + 1)?, fields.text(first + 2)])
        };
        let what = "a position from 1";
        let excluded = (16..=fields.0.len())
            .filter(|field| !fields.get(*field).is_empty())
            .map(|field| fields.whole(field, what))
            .collect::<Result<Vec<u32>, Mistake>>()?;
        Ok(Self {
            source: rack(1)?,
            source_wells: (fields.whole(4, what)?, fields.whole(5, what)?),
            destination: rack(6)?,
            destination_wells: (fields.whole(9, what)?, fields.whole(10, what)?),
            volume_ul: fields.volume(11)?,
            liquid_class: fields.text(12),
            tip_reuses: fields.whole_or_nothing(13, "a number of uses")?,
            multi_dispenses: fields.whole_or_nothing(14, "a number of wells")?,
            direction: fields.whole_or_nothing(15, "a direction")?,
            excluded,
        })
    }
}

/// The fields after the letter, counted from 1.
struct Fields<'a>(Vec<&'a str>);

impl Fields<'_> {
    fn get(&self, field: usize) -> &str {
        field.checked_sub(1).and_then(|index| self.0.get(index)).map_or("", |text| text.trim())
    }

    fn text(&self, field: usize) -> String {
        self.get(field).to_owned()
    }

    fn wrong(&self, field: usize, what: &'static str) -> Mistake {
        Mistake::Wrong { field, value: self.get(field).chars().take(MAX_LABEL).collect(), what }
    }

    fn label(&self, field: usize) -> Result<String, Mistake> {
        let text = self.get(field);
        if text.chars().count() > MAX_LABEL {
            Err(self.wrong(field, "at most 32 characters"))
        } else {
            Ok(text.to_owned())
        }
    }

    fn whole(&self, field: usize, what: &'static str) -> Result<u32, Mistake> {
        match self.get(field) {
            "" => Err(Mistake::Missing { field, what }),
            text if text.bytes().all(|b| b.is_ascii_digit()) => text.parse().map_err(|_| self.wrong(field, what)),
            _ => Err(self.wrong(field, what)),
        }
    }

    fn whole_or_nothing(&self, field: usize, what: &'static str) -> Result<Option<u32>, Mistake> {
        if self.get(field).is_empty() { Ok(None) } else { self.whole(field, what).map(Some) }
    }

    fn volume(&self, field: usize) -> Result<f64, Mistake> {
        let what = "a volume in microlitres";
        let text = self.get(field);
        if text.is_empty() {
            return Err(Mistake::Missing { field, what });
        }
        let plain = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        match text.parse::<f64>() {
            Ok(volume) if plain && volume.is_finite() => Ok(volume),
            _ => Err(self.wrong(field, what)),
        }
    }

    /// Nothing but empty fields after this one.
    fn end(&self, last: usize) -> Result<(), Mistake> {
        if self.0.iter().skip(last).all(|text| text.trim().is_empty()) { Ok(()) } else { Err(Mistake::TooManyFields) }
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Aspirate(pipetting) => write!(f, "A;{pipetting}"),
            Self::Dispense(pipetting) => write!(f, "D;{pipetting}"),
            Self::Distribute(distribution) => write!(f, "R;{distribution}"),
            Self::Wash(0) => f.write_str("W;"),
            Self::Wash(scheme) => write!(f, "W{scheme};"),
            Self::Decontaminate => f.write_str("WD;"),
            Self::Flush => f.write_str("F;"),
            Self::Break => f.write_str("B;"),
            Self::TipType(tip_type) => write!(f, "S;{tip_type}"),
            Self::Comment(text) => write!(f, "C;{text}"),
            Self::Script(text) => write!(f, "B;{text}"),
        }
    }
}

impl fmt::Display for Pipetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rack_label, rack_id, rack_type, position, tube_id, volume_ul, liquid_class, tip_type, .. } = self;
        write!(f, "{rack_label};{rack_id};{rack_type};{position};{tube_id};{volume_ul:.2};{liquid_class};{tip_type};")?;
        if let Some(mask) = self.tip_mask {
            write!(f, "{mask}")?;
        }
        write!(f, ";{}", self.forced_rack_type)
    }
}

impl fmt::Display for Distribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{};{};{};", self.source.join(";"), self.source_wells.0, self.source_wells.1)?;
        write!(f, "{};{};{};", self.destination.join(";"), self.destination_wells.0, self.destination_wells.1)?;
        write!(f, "{:.2};{}", self.volume_ul, self.liquid_class)?;
        for option in [self.tip_reuses, self.multi_dispenses, self.direction] {
            match option {
                Some(number) => write!(f, ";{number}")?,
                None => f.write_str(";")?,
            }
        }
        self.excluded.iter().try_for_each(|well| write!(f, ";{well}"))
    }
}
