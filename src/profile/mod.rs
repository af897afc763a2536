//! Device profiles: what is true of a model.
//!
//! Shipped profiles are inside the binary; a folder named in the configuration adds to them and replaces them by name.

pub mod biolector;
pub mod deck;
pub mod echo;
pub mod echo_ms;
pub mod file;
mod resolve;
pub mod robolector;
mod shipped;
pub mod terms;
#[cfg(test)]
pub(crate) mod tests;
pub mod zenotof;

use std::time::Duration;

use crate::config::values::Choice;
use crate::driver::FolderLayout;

pub use biolector::{BiolectorProfile, ChannelKindKey, Filter, LiveProfile, Plate, Range, TimeTrust, Tolerance, Units};
pub use echo::EchoProfile;
pub use echo_ms::EchoMsProfile;
pub(crate) use resolve::put_line;
pub use resolve::{overridden, parse};
pub use robolector::RobolectorProfile;
pub use shipped::{Profiles, load, names, shipped, text};
pub use zenotof::ZenotofProfile;

/// A device profile, after it was read and validated.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// Its name, `biolector-pro` for instance.
    pub name: String,
    /// Which driver speaks to it, and in which of its dialects.
    pub family: Family,
    /// Who makes it.
    pub manufacturer: String,
    /// The model.
    pub model: String,
    /// The ontology term of the instrument, as a CURIE with its label.
    pub term: Option<(String, String)>,
    /// Silence after which an unterminated last line counts.
    pub settle: Duration,
    /// Silence after which the device's state turns to `unknown`.
    pub silence: Duration,
    /// What the driver of this kind of instrument needs to know.
    pub kind: Kind,
}

/// What is true of a model, for the driver that speaks to it.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// A BioLector.
    Biolector(BiolectorProfile),
    /// A RoboLector's robot.
    Robolector(RobolectorProfile),
    /// A ZenoTOF.
    Zenotof(ZenotofProfile),
    /// An Echo liquid handler.
    Echo(EchoProfile),
    /// An Echo MS.
    EchoMs(EchoMsProfile),
}

impl Profile {
    /// What is true of it as a BioLector, if it is one.
    pub fn biolector(&self) -> Option<&BiolectorProfile> {
        match &self.kind {
            Kind::Biolector(profile) => Some(profile),
            _ => None,
        }
    }

    /// What is true of it as a RoboLector, if it is one.
    pub fn robolector(&self) -> Option<&RobolectorProfile> {
        match &self.kind {
            Kind::Robolector(profile) => Some(profile),
            _ => None,
        }
    }

    /// What is true of it as a ZenoTOF, if it is one.
    pub fn zenotof(&self) -> Option<&ZenotofProfile> {
        match &self.kind {
            Kind::Zenotof(profile) => Some(profile),
            _ => None,
        }
    }
}

/// Which driver a profile is for, and which of its dialects or source families it expects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// BioLector I: csv with `FILENAME;` header, or header and one part a cycle.
    BiolectorOne,
    /// BioLector II and Pro: csv with sections.
    BiolectorPro,
    /// BioLector XT: zip, unpacked folder or bare csv.
    BiolectorXt,
    /// RoboLector with a robot that speaks Hamilton's STAR firmware protocol.
    RobolectorStar,
    /// RoboLector with a robot that speaks Tecan's Genesis or Freedom EVO protocol.
    RobolectorTecan,
    /// ZenoTOF with SCIEX OS: sets of `.wiff`, `.wiff2` and `.wiff.scan` files.
    Zenotof,
    /// Echo acoustic liquid handler: surveys and reports of transfers, csv and xml.
    EchoLiquidHandler,
    /// Echo MS behind a gateway with the device service.
    EchoMs,
}

impl Family {
    /// How devices of this family are reached.
    pub fn reach(self) -> Reach {
        match self {
            Self::BiolectorOne | Self::BiolectorPro | Self::BiolectorXt | Self::Zenotof | Self::EchoLiquidHandler => {
                Reach::Files
            }
            Self::RobolectorStar | Self::RobolectorTecan => Reach::Stream,
            Self::EchoMs => Reach::Service,
        }
    }

    /// What the files of its folder are to the link.
    pub fn layout(self) -> FolderLayout {
        match self {
            Self::EchoLiquidHandler => FolderLayout::Reports,
            _ => FolderLayout::Results,
        }
    }

    /// Whether devices of this family have a gRPC service.
    pub fn has_service(self) -> bool {
        matches!(self, Self::BiolectorXt | Self::EchoMs)
    }

    /// Whether it is one of the BioLectors.
    pub fn is_biolector(self) -> bool {
        matches!(self, Self::BiolectorOne | Self::BiolectorPro | Self::BiolectorXt)
    }

    /// The name in profiles.
    pub fn as_str(self) -> &'static str {
        Self::CHOICES.iter().find(|(_, family, _)| *family == self).map_or("", |(name, ..)| name)
    }
}

/// By which kind of link a device is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// A folder into which it writes files.
    Files,
    /// One line: a serial port, a TCP connection, or a trace of one.
    Stream,
    /// A gRPC service alone.
    Service,
}

impl Choice for Family {
    const WHAT: &'static str = "family of instruments";
    const CHOICES: &'static [(&'static str, Self, &'static str)] = &[
        ("biolector-1", Self::BiolectorOne, "BioLector I: csv with `FILENAME;` header, or header and one part a cycle"),
        ("biolector-pro", Self::BiolectorPro, "BioLector II and Pro: csv with sections"),
        ("biolector-xt", Self::BiolectorXt, "BioLector XT: zip, unpacked folder or bare csv"),
        ("robolector-star", Self::RobolectorStar, "RoboLector's robot, in Hamilton's STAR firmware protocol"),
        ("robolector-tecan", Self::RobolectorTecan, "RoboLector's robot, in Tecan's Genesis or Freedom EVO protocol"),
        ("echo-ms", Self::EchoMs, "Echo MS behind a gateway with the device service"),
        ("zenotof", Self::Zenotof, "ZenoTOF with SCIEX OS: sets of .wiff, .wiff2 and .wiff.scan files"),
        (
            "echo-liquid-handler",
            Self::EchoLiquidHandler,
            "Echo acoustic liquid handler: surveys and reports of transfers, csv and xml",
        ),
    ];
}
