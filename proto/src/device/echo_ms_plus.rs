//! The node model of an Echo MS+ behind the device service: node ids, event types and the names of their fields.
//!
//! The meaning of each stands in `docs/device-service.md`. Names follow OPC UA LADS (OPC 30500-1) where it has one.

/// The namespace of the model. Its index is looked up in `ServerStatus.namespaces`; node ids below are those of
/// [`NAMESPACE_INDEX`], which servers should use.
pub const NAMESPACE_URI: &str = "urn:instrumentd:device:v1";
/// The index that the namespace usually has.
pub const NAMESPACE_INDEX: u16 = 2;

macro_rules! nodes {
    ($($constant:ident = $path:literal;)*) => {
        $(#[doc = concat!("`", $path, "`")] pub const $constant: &str = concat!("ns=2;s=", $path);)*
    };
}

/// Node ids.
pub mod node {
    nodes! {
        DEVICE = "Device";
        IDENTIFICATION = "Device/Identification";
        MANUFACTURER = "Device/Identification/Manufacturer";
        MODEL = "Device/Identification/Model";
        SERIAL_NUMBER = "Device/Identification/SerialNumber";
        SOFTWARE_REVISION = "Device/Identification/SoftwareRevision";
        DEVICE_CLASS = "Device/Identification/DeviceClass";
        ASSET_ID = "Device/Identification/AssetId";
        DEVICE_STATE = "Device/DeviceState";
        DEVICE_HEALTH = "Device/DeviceHealth";
        LOCATION = "Device/OperationalLocation";
        ADD_COMMENT = "Device/AddComment";
        IDENTIFY = "Device/Identify";
        UNITS = "Device/FunctionalUnitSet";
        EJECTOR = "Device/FunctionalUnitSet/Ejector";
        STATE = "Device/FunctionalUnitSet/Ejector/FunctionalUnitState";
        CURRENT_STATE = "Device/FunctionalUnitSet/Ejector/FunctionalUnitState/CurrentState";
        RUNNING_STATE = "Device/FunctionalUnitSet/Ejector/FunctionalUnitState/RunningState";
        START = "Device/FunctionalUnitSet/Ejector/FunctionalUnitState/Start";
        STOP = "Device/FunctionalUnitSet/Ejector/FunctionalUnitState/Stop";
        ABORT = "Device/FunctionalUnitSet/Ejector/FunctionalUnitState/Abort";
        PROGRAM = "Device/FunctionalUnitSet/Ejector/ProgramManager/ActiveProgram";
        PROGRAM_MANAGER = "Device/FunctionalUnitSet/Ejector/ProgramManager";
        RUN_ID = "Device/FunctionalUnitSet/Ejector/ProgramManager/ActiveProgram/DeviceProgramRunId";
        TEMPLATE = "Device/FunctionalUnitSet/Ejector/ProgramManager/ActiveProgram/CurrentProgramTemplate";
        RUNTIME = "Device/FunctionalUnitSet/Ejector/ProgramManager/ActiveProgram/CurrentRuntime";
        ESTIMATED_RUNTIME = "Device/FunctionalUnitSet/Ejector/ProgramManager/ActiveProgram/EstimatedRuntime";
        STEP_NAME = "Device/FunctionalUnitSet/Ejector/ProgramManager/ActiveProgram/CurrentStepName";
        STEP_NUMBER = "Device/FunctionalUnitSet/Ejector/ProgramManager/ActiveProgram/CurrentStepNumber";
        SAMPLES = "Device/FunctionalUnitSet/Ejector/ProgramManager/ActiveProgram/Samples";
        PLATE = "Device/FunctionalUnitSet/Ejector/SourcePlate";
        PLATE_BARCODE = "Device/FunctionalUnitSet/Ejector/SourcePlate/Barcode";
        PLATE_TYPE = "Device/FunctionalUnitSet/Ejector/SourcePlate/PlateType";
        PLATE_WELLS = "Device/FunctionalUnitSet/Ejector/SourcePlate/Wells";
        FUNCTIONS = "Device/FunctionalUnitSet/Ejector/FunctionSet";
        COUPLING_TEMPERATURE = "Device/FunctionalUnitSet/Ejector/FunctionSet/CouplingFluidTemperature/SensorValue";
        COUPLING = "Device/FunctionalUnitSet/Ejector/FunctionSet/CouplingFluidTemperature";
        SHOTS_DONE = "Device/FunctionalUnitSet/Ejector/FunctionSet/ShotsDone";
        SHOTS_FAILED = "Device/FunctionalUnitSet/Ejector/FunctionSet/ShotsFailed";
        LAST_VOLUME = "Device/FunctionalUnitSet/Ejector/FunctionSet/LastEjectedVolume";
        OPERATOR_NOTE = "Device/FunctionalUnitSet/Ejector/OperatorNote";
    }
}

/// Event types, all of them below [`BASE`].
pub mod event_type {
    /// BaseEventType of OPC UA.
    pub const BASE: &str = "i=2041";
    nodes! {
        RUN_STARTED = "EjectionRunStartedEventType";
        WELL_SURVEYED = "WellSurveyedEventType";
        EJECTION = "EjectionEventType";
        MARKER = "MarkerEventType";
        ERROR = "DeviceErrorEventType";
        RUN_ENDED = "EjectionRunEndedEventType";
    }
    /// All of them.
    pub const ALL: [&str; 6] = [RUN_STARTED, WELL_SURVEYED, EJECTION, MARKER, ERROR, RUN_ENDED];
}

/// The fields of events.
pub mod field {
    /// The fields of BaseEventType, in namespace 0.
    pub const BASE: [&str; 8] =
        ["EventId", "EventType", "SourceNode", "SourceName", "Time", "ReceiveTime", "Message", "Severity"];
    /// The fields of each type beyond those, in the model's namespace.
    pub const RUN_STARTED: &[&str] = &[
        "RunId",
        "Method",
        "PlateBarcode",
        "PlateType",
        "PlateWells",
        "Operator",
        "PlannedShots",
        "ShotList",
        "ShotSampleIds",
        "ShotVolumesNl",
        "ShotIntervalS",
        "OrderBasis",
    ];
    /// Of [`super::event_type::WELL_SURVEYED`].
    pub const WELL_SURVEYED: &[&str] =
        &["RunId", "PlateBarcode", "Well", "FluidVolumeUl", "Fluid", "FluidComposition", "Status"];
    /// Of [`super::event_type::EJECTION`].
    pub const EJECTION: &[&str] = &[
        "RunId",
        "PlateBarcode",
        "Order",
        "Well",
        "Repeat",
        "SampleId",
        "NominalVolumeNl",
        "ActualVolumeNl",
        "ExpectedTime",
        "ActualTime",
        "Status",
    ];
    /// Of [`super::event_type::MARKER`].
    pub const MARKER: &[&str] = &["RunId", "Order", "Label", "ExpectedTime", "ActualTime", "Status"];
    /// Of [`super::event_type::ERROR`].
    pub const ERROR: &[&str] = &["RunId", "Code", "Well", "Order"];
    /// Of [`super::event_type::RUN_ENDED`].
    pub const RUN_ENDED: &[&str] =
        &["RunId", "Outcome", "Planned", "Ejected", "Failed", "Markers", "StartTime", "EndTime"];
}
