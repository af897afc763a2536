//! The event types: one line for each, from which names, schemas and serialisation follow.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;

use super::{acquisition, cultivation, device, ejection, labware, sampling, transfer};

macro_rules! event_types {
    ($($(#[$doc:meta])* $variant:ident($data:ty) = $category:literal / $name:literal;)*) => {
        /// The typed `data` of an event.
        #[derive(Debug, Clone, PartialEq, Serialize)]
        #[serde(untagged)]
        pub enum Body {
            $($(#[$doc])* $variant($data),)*
        }

        /// The type of an event, without its data.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum EventType {
            $($(#[$doc])* $variant,)*
        }

        impl Body {
            /// The event's type.
            pub fn event_type(&self) -> EventType {
                match self { $(Self::$variant(_) => EventType::$variant,)* }
            }
        }

        impl EventType {
            /// Every type there is.
            pub const ALL: &[EventType] = &[$(EventType::$variant,)*];

            /// The category, the second last topic level.
            pub fn category(self) -> &'static str {
                match self { $(Self::$variant => $category,)* }
            }

            /// The name within the category, the last topic level.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// `<category>.<name>`, by which commands and ids name the type.
            pub fn short(self) -> &'static str {
                match self { $(Self::$variant => concat!($category, ".", $name),)* }
            }

            /// The CloudEvents `type`.
            pub fn full(self) -> &'static str {
                match self { $(Self::$variant => concat!("instrumentd.", $category, ".", $name, ".v1"),)* }
            }

            /// The CloudEvents `dataschema`: the `$id` of the JSON Schema that `instrumentd schema event` prints.
            pub fn schema_uri(self) -> &'static str {
                match self { $(Self::$variant => concat!("urn:instrumentd:schema:", $category, ".", $name, ":v1"),)* }
            }

            /// The schema of the data that drivers make, without the members that the journal adds.
            pub(super) fn data_schema(self, generator: &mut SchemaGenerator) -> Schema {
                match self { $(Self::$variant => <$data as JsonSchema>::json_schema(generator),)* }
            }
        }
    };
}

event_types! {
    /// The instrument's line or folder is there.
    DeviceConnected(device::Connected) = "device"/"connected";
    /// The instrument's line or folder is gone.
    DeviceDisconnected(device::Disconnected) = "device"/"disconnected";
    /// Something about the instrument or its files keeps events from being made.
    DeviceFaulted(device::Faulted) = "device"/"faulted";
    /// A fault is over.
    DeviceRecovered(device::Recovered) = "device"/"recovered";
    /// Something may have been lost between two moments.
    DeviceGap(device::Gap) = "device"/"gap";
    /// A command was carried out or refused.
    DeviceCommandHandled(device::CommandHandled) = "device"/"command-handled";
    /// A cultivation run began.
    CultivationStarted(cultivation::Started) = "cultivation"/"started";
    /// Measuring was paused.
    CultivationPaused(cultivation::Paused) = "cultivation"/"paused";
    /// Measuring went on.
    CultivationResumed(cultivation::Resumed) = "cultivation"/"resumed";
    /// The run ended after a whole cycle.
    CultivationCompleted(cultivation::Ended) = "cultivation"/"completed";
    /// The run was ended in the middle of a cycle.
    CultivationStopped(cultivation::Ended) = "cultivation"/"stopped";
    /// The first reading of a cycle was made.
    CycleStarted(cultivation::CycleStarted) = "cultivation"/"cycle-started";
    /// No further reading of the cycle is expected.
    CycleCompleted(cultivation::CycleCompleted) = "cultivation"/"cycle-completed";
    /// One well, one channel.
    Measured(cultivation::Measured) = "cultivation"/"measured";
    /// A file adds raw values to a reading that was told before, or disagrees with it.
    Refined(cultivation::Refined) = "cultivation"/"refined";
    /// A reference reading of a channel.
    Referenced(cultivation::Referenced) = "cultivation"/"referenced";
    /// Temperatures, gas, shaker as they are.
    Environment(cultivation::Environment) = "cultivation"/"environment";
    /// A set-point was changed.
    SetpointChanged(cultivation::SetpointChanged) = "cultivation"/"setpoint-changed";
    /// The cover moved.
    CoverChanged(cultivation::CoverChanged) = "cultivation"/"cover-changed";
    /// Something was pumped or pipetted into a well.
    Fed(cultivation::Fed) = "cultivation"/"fed";
    /// A person, script or the system wrote a comment.
    Commented(cultivation::Commented) = "cultivation"/"commented";
    /// The plate became accessible to the robot or a person.
    AccessStarted(sampling::AccessStarted) = "sampling"/"access-started";
    /// The plate is no longer accessible.
    AccessEnded(sampling::AccessEnded) = "sampling"/"access-ended";
    /// One channel took liquid from a well.
    Aspirated(sampling::Aspirated) = "sampling"/"aspirated";
    /// One channel gave liquid to a well, to waste or to the wash station.
    Dispensed(sampling::Dispensed) = "sampling"/"dispensed";
    /// A cultivation well was sampled.
    SamplingCompleted(sampling::Completed) = "sampling"/"completed";
    /// A step of sampling failed.
    SamplingFailed(sampling::Failed) = "sampling"/"failed";
    /// A robot put something into a cultivation well.
    CultivationAdded(cultivation::Added) = "cultivation"/"added";
    /// A plate came to a known place.
    PlateLoaded(labware::PlateLoaded) = "labware"/"plate-loaded";
    /// A plate was moved.
    PlateMoved(labware::PlateMoved) = "labware"/"plate-moved";
    /// A plate left the deck, or was lost.
    PlateRemoved(labware::PlateRemoved) = "labware"/"plate-removed";
    /// A barcode was read, or was not.
    BarcodeRead(labware::BarcodeRead) = "labware"/"barcode-read";
    /// Liquid was moved from plate to plate.
    TransferCompleted(transfer::Completed) = "transfer"/"completed";
    /// Moving liquid from plate to plate failed.
    TransferFailed(transfer::Failed) = "transfer"/"failed";
    /// A well of a source plate was surveyed.
    EjectionSurveyed(ejection::Surveyed) = "ejection"/"surveyed";
    /// A run of acoustic ejections into a mass spectrometer began.
    EjectionRunStarted(ejection::RunStarted) = "ejection"/"run-started";
    /// A sample or marker was ejected.
    EjectionEjected(ejection::Shot) = "ejection"/"ejected";
    /// A sample or marker was to be ejected and was not.
    EjectionFailed(ejection::Shot) = "ejection"/"failed";
    /// A run of acoustic ejections ended.
    EjectionRunCompleted(ejection::RunCompleted) = "ejection"/"run-completed";
    /// A shot list was given.
    EjectionPlanned(ejection::Planned) = "ejection"/"planned";
    /// An acquisition began.
    AcquisitionStarted(acquisition::Started) = "acquisition"/"started";
    /// An acquisition goes on.
    AcquisitionProgressed(acquisition::Progressed) = "acquisition"/"progressed";
    /// One sample of an acquisition is over.
    SampleCompleted(acquisition::SampleCompleted) = "acquisition"/"sample-completed";
    /// An acquisition is whole and nothing more is expected.
    AcquisitionCompleted(acquisition::Ended) = "acquisition"/"completed";
    /// The same, and its last sample was aborted.
    AcquisitionAborted(acquisition::Ended) = "acquisition"/"aborted";
    /// An acquisition is not whole, and nothing came for long.
    AcquisitionIncomplete(acquisition::Incomplete) = "acquisition"/"incomplete";
    /// An acquisition changed after it was complete.
    AcquisitionReopened(acquisition::Reopened) = "acquisition"/"reopened";
    /// An acquisition's files have another name or place.
    AcquisitionRelocated(acquisition::Relocated) = "acquisition"/"relocated";
}

impl Body {
    /// The sample that the event is about; the envelope's `sampleid`.
    pub fn sample_id(&self) -> Option<&str> {
        match self {
            Self::SamplingCompleted(completed) => Some(&completed.sample.id),
            Self::EjectionEjected(shot) | Self::EjectionFailed(shot) => shot.sample_id.as_deref(),
            Self::TransferCompleted(completed) => completed.reported.sample_id.as_deref().filter(|id| is_sample_id(id)),
            _ => None,
        }
    }

    /// Where the event's data lie as a file, for the envelope's `dataref`.
    pub fn data_reference(&self) -> Option<String> {
        match self {
            Self::AcquisitionCompleted(ended) | Self::AcquisitionAborted(ended) => ended.file_set.reference(),
            Self::AcquisitionRelocated(relocated) => relocated.file_set.reference(),
            _ => None,
        }
    }
}

/// Whether it has the form of a sample's id, `[A-Za-z0-9-]{1,40}`: a liquid handler's operator types what he likes.
fn is_sample_id(text: &str) -> bool {
    (1..=40).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

impl EventType {
    /// The type with this `<category>.<name>` or full CloudEvents name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|t| t.short() == name || t.full() == name)
    }

    /// Whether the journal writes `revision` into the data even for the first one.
    pub fn always_shows_revision(self) -> bool {
        matches!(self, Self::CycleCompleted)
    }
}
