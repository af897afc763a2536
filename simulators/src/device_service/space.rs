//! The nodes of a server.

use std::collections::BTreeMap;

use instrument_proto::device::v1::method_description::Argument;
use instrument_proto::device::v1::{DataValue, EuInformation, NodeClass, QualifiedName, Range, Variant};
use instrument_proto::device::{Identifier, NodeId, StatusCode, label};

/// Types of references, in namespace 0.
pub(super) mod reference {
    pub const ORGANIZES: u32 = 35;
    pub const HAS_SUBTYPE: u32 = 45;
    pub const HAS_PROPERTY: u32 = 46;
    pub const HAS_COMPONENT: u32 = 47;

    /// The type of which a type is a direct subtype; 0 for References itself and for what is no type of reference.
    /// source: OPC 10000-3, 7.
    pub fn supertype(number: u32) -> u32 {
        match number {
            32 | 33 => 31,
            34..=36 => 33,
            44 | HAS_SUBTYPE => 34,
            HAS_PROPERTY | HAS_COMPONENT => 44,
            48 => 36,
            40 | 41 => 32,
            _ => 0,
        }
    }
}

/// What a caller may do with a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Read its value.
    Read,
    /// Read its value and what it was.
    ReadHistory,
    /// Read and write its value.
    ReadWrite,
}

impl Access {
    /// The bits of the attribute AccessLevel.
    pub(super) fn bits(self) -> u32 {
        match self {
            Self::Read => 1,
            Self::ReadHistory => 1 | 4,
            Self::ReadWrite => 1 | 2,
        }
    }
}

/// A variable.
#[derive(Debug, Clone, PartialEq)]
pub struct Variable {
    /// Its data type's number in namespace 0; arrays are of this type.
    pub data_type: u32,
    /// Whether its value is an array of one dimension.
    pub array: bool,
    /// What one may do with it.
    pub access: Access,
    /// Its unit.
    pub unit: Option<EuInformation>,
    /// Its range in normal operation.
    pub range: Option<Range>,
    /// Whether it comes from the instrument and so is not known while that does not answer.
    pub live: bool,
    /// The last value that came.
    pub value: DataValue,
}

impl Variable {
    /// A variable from the instrument, of a built-in type, that may be read.
    pub fn live(data_type: u32) -> Self {
        let value = DataValue::bad(StatusCode::BAD_WAITING_FOR_INITIAL_DATA);
        Self { data_type, array: false, access: Access::Read, unit: None, range: None, live: true, value }
    }

    /// A variable that the server itself knows.
    pub fn fixed(data_type: u32, value: Variant) -> Self {
        let value = DataValue::of(value);
        Self { live: false, value, ..Self::live(data_type) }
    }

    /// The same with another access.
    #[must_use]
    pub fn with_access(self, access: Access) -> Self {
        Self { access, ..self }
    }

    /// The same in a unit of UNECE Recommendation 20, which `code` names.
    #[must_use]
    pub fn with_unit(self, code: &str, sign: &str, name: &str) -> Self {
        let unit = EuInformation {
            namespace_uri: "http://www.opcfoundation.org/UA/units/un/cefact".to_owned(),
            unit_id: code.bytes().fold(0, |number, byte| number << 8 | i32::from(byte)),
            display_name: Some(label(sign)),
            description: Some(label(name)),
        };
        Self { unit: Some(unit), ..self }
    }

    /// The same with a range.
    #[must_use]
    pub fn with_range(self, low: f64, high: f64) -> Self {
        Self { range: Some(Range { low, high }), ..self }
    }

    /// The same as an array.
    #[must_use]
    pub fn of_many(self) -> Self {
        Self { array: true, ..self }
    }
}

/// What kind of node it is.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// An object; as a notifier it gives events and their history.
    Object {
        /// Whether its events can be subscribed to and read.
        notifier: bool,
    },
    /// A variable.
    Variable(Box<Variable>),
    /// A method.
    Method {
        /// Whether it can be called.
        executable: bool,
        /// What it takes.
        inputs: Vec<Argument>,
        /// What it gives.
        outputs: Vec<Argument>,
    },
    /// A type of objects or events.
    ObjectType,
}

impl Kind {
    /// Its node class.
    pub fn class(&self) -> NodeClass {
        match self {
            Self::Object { .. } => NodeClass::Object,
            Self::Variable(_) => NodeClass::Variable,
            Self::Method { .. } => NodeClass::Method,
            Self::ObjectType => NodeClass::ObjectType,
        }
    }
}

/// A node.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Its name in its namespace.
    pub browse_name: QualifiedName,
    /// What it is, for people.
    pub description: String,
    /// Of which type it is; `None` for methods and types.
    pub type_definition: Option<NodeId>,
    /// What it is.
    pub kind: Kind,
    /// Its references: the type's number, whether forward, the other end.
    pub(super) references: Vec<(u32, bool, NodeId)>,
}

/// All nodes of a server.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AddressSpace {
    /// The URIs of the namespaces from 2 on.
    pub namespaces: Vec<String>,
    nodes: BTreeMap<NodeId, Node>,
}

/// Nodes of namespace 0 that a server has in any case.
pub(super) mod standard {
    pub const OBJECTS: u32 = 85;
    pub const TYPES: u32 = 86;
    pub const ROOT: u32 = 84;
    pub const EVENT_TYPES: u32 = 3048;
    pub const BASE_EVENT_TYPE: u32 = 2041;
    pub const OVERFLOW_EVENT_TYPE: u32 = 3035;
    pub const SERVER: u32 = 2253;
    pub const SERVER_ARRAY: u32 = 2254;
    pub const NAMESPACE_ARRAY: u32 = 2255;
    pub const SERVER_STATUS: u32 = 2256;
    pub const START_TIME: u32 = 2257;
    pub const CURRENT_TIME: u32 = 2258;
    pub const STATE: u32 = 2259;
    pub const FOLDER_TYPE: u32 = 61;
    pub const BASE_OBJECT_TYPE: u32 = 58;
    pub const VARIABLE_TYPE: u32 = 63;
    pub const PROPERTY_TYPE: u32 = 68;
    pub const ANALOG_UNIT_TYPE: u32 = 17497;
}

impl AddressSpace {
    /// The standard nodes alone, and the model's namespaces.
    pub fn new(namespaces: Vec<String>) -> Self {
        use standard::*;
        let mut space = Self { namespaces, nodes: BTreeMap::new() };
        let object = || Kind::Object { notifier: false };
        let folder = Some(FOLDER_TYPE);
        space.add_standard(ROOT, "Root", object(), folder, None);
        space.add_standard(OBJECTS, "Objects", object(), folder, Some((ROOT, reference::ORGANIZES)));
        space.add_standard(TYPES, "Types", object(), folder, Some((ROOT, reference::ORGANIZES)));
        space.add_standard(EVENT_TYPES, "EventTypes", object(), folder, Some((TYPES, reference::ORGANIZES)));
        let below_types = Some((EVENT_TYPES, reference::ORGANIZES));
        space.add_standard(BASE_EVENT_TYPE, "BaseEventType", Kind::ObjectType, None, below_types);
        let below_base = Some((BASE_EVENT_TYPE, reference::HAS_SUBTYPE));
        space.add_standard(OVERFLOW_EVENT_TYPE, "EventQueueOverflowEventType", Kind::ObjectType, None, below_base);
        let server = Kind::Object { notifier: true };
        space.add_standard(SERVER, "Server", server, Some(2004), Some((OBJECTS, reference::ORGANIZES)));
        let component = Some((SERVER, reference::HAS_COMPONENT));
        let property = Some((SERVER, reference::HAS_PROPERTY));
        space.add_standard(SERVER_STATUS, "ServerStatus", object(), Some(BASE_OBJECT_TYPE), component);
        let own = |data_type: u32| Variable { live: false, ..Variable::live(data_type) };
        let variable = |variable: Variable| Kind::Variable(Box::new(variable));
        let many = variable(own(12).of_many());
        space.add_standard(SERVER_ARRAY, "ServerArray", many.clone(), Some(PROPERTY_TYPE), property);
        space.add_standard(NAMESPACE_ARRAY, "NamespaceArray", many, Some(PROPERTY_TYPE), property);
        let status = Some((SERVER_STATUS, reference::HAS_COMPONENT));
        for (number, name, data_type) in
            [(START_TIME, "StartTime", 13), (CURRENT_TIME, "CurrentTime", 13), (STATE, "State", 6)]
        {
            space.add_standard(number, name, variable(own(data_type)), Some(VARIABLE_TYPE), status);
        }
        let epoch = Node::new(1, "ServerEpoch", variable(own(12)), Some(NodeId::numeric(0, PROPERTY_TYPE)));
        space.add(super::server::epoch_node(), epoch, Some((NodeId::numeric(0, SERVER), reference::HAS_PROPERTY)));
        space
    }

    fn add_standard(&mut self, number: u32, name: &str, kind: Kind, of: Option<u32>, parent: Option<(u32, u32)>) {
        let node = Node::new(0, name, kind, of.map(|of| NodeId::numeric(0, of)));
        let parent = parent.map(|(parent, by)| (NodeId::numeric(0, parent), by));
        self.add(NodeId::numeric(0, number), node, parent);
    }

    pub(super) fn add(&mut self, id: NodeId, mut node: Node, parent: Option<(NodeId, u32)>) {
        if let Some((parent, by)) = parent {
            node.references.push((by, false, parent.clone()));
            if let Some(parent) = self.nodes.get_mut(&parent) {
                parent.references.push((by, true, id.clone()));
            }
        }
        self.nodes.insert(id, node);
    }

    /// Adds a node of the model below another one that is there: `Device/Identification` below `Device`, what has no `/` below the Objects
    /// folder. All of the model is in namespace 2, and its node ids are paths.
    pub fn add_path(&mut self, path: &str, kind: Kind, description: &str) {
        let (parent, name) = match path.rsplit_once('/') {
            Some((parent, name)) => (NodeId::string(2, parent), name),
            None => (NodeId::numeric(0, standard::OBJECTS), path),
        };
        let by = if path.contains('/') { reference::HAS_COMPONENT } else { reference::ORGANIZES };
        let of = match &kind {
            Kind::Object { .. } => Some(standard::BASE_OBJECT_TYPE),
            Kind::Variable(variable) if variable.unit.is_some() => Some(standard::ANALOG_UNIT_TYPE),
            Kind::Variable(_) => Some(standard::VARIABLE_TYPE),
            Kind::Method { .. } | Kind::ObjectType => None,
        };
        let mut node = Node::new(2, name, kind, of.map(|of| NodeId::numeric(0, of)));
        node.description = description.to_owned();
        self.add(NodeId::string(2, path), node, Some((parent, by)));
    }

    /// Adds a type of events below BaseEventType, with its fields.
    pub fn add_event_type(&mut self, name: &str, fields: &[&str]) {
        let id = NodeId::string(2, name);
        let node = Node::new(2, name, Kind::ObjectType, None);
        let base = NodeId::numeric(0, standard::BASE_EVENT_TYPE);
        self.add(id.clone(), node, Some((base, reference::HAS_SUBTYPE)));
        for field in fields {
            let of = Some(NodeId::numeric(0, standard::PROPERTY_TYPE));
            let variable = Variable { live: false, ..Variable::live(24) };
            let node = Node::new(2, field, Kind::Variable(Box::new(variable)), of);
            self.add(NodeId::string(2, format!("{name}/{field}")), node, Some((id.clone(), reference::HAS_PROPERTY)));
        }
    }

    /// A node.
    pub fn get(&self, id: &NodeId) -> Option<&Node> {
        self.nodes.get(id)
    }

    /// All nodes.
    pub fn iter(&self) -> impl Iterator<Item = (&NodeId, &Node)> {
        self.nodes.iter()
    }

    pub(super) fn variable_mut(&mut self, id: &NodeId) -> Option<&mut Variable> {
        match &mut self.nodes.get_mut(id)?.kind {
            Kind::Variable(variable) => Some(variable),
            _ => None,
        }
    }

    /// Whether a type of events is another one or a subtype of it.
    pub(super) fn is_event_type(&self, id: &NodeId, of: &NodeId) -> bool {
        let base = NodeId::numeric(0, standard::BASE_EVENT_TYPE);
        id == of || (*of == base && self.get(id).is_some_and(|node| node.kind == Kind::ObjectType))
    }
}

impl AddressSpace {
    /// Whether a type of events, or for BaseEventType any of its subtypes, has a field of the model.
    pub(super) fn has_field(&self, of: &NodeId, field: &str) -> bool {
        let has = |id: &NodeId| match &id.identifier {
            Identifier::String(name) => self.nodes.contains_key(&NodeId::string(2, format!("{name}/{field}"))),
            _ => false,
        };
        if *of != NodeId::numeric(0, standard::BASE_EVENT_TYPE) {
            return has(of);
        }
        self.nodes.iter().any(|(id, node)| node.kind == Kind::ObjectType && has(id))
    }
}

impl Node {
    pub(super) fn new(namespace: u32, name: &str, kind: Kind, type_definition: Option<NodeId>) -> Self {
        let browse_name = QualifiedName { namespace_index: namespace, name: name.to_owned() };
        Self { browse_name, description: String::new(), type_definition, kind, references: Vec::new() }
    }

    /// Its variable, if it is one.
    pub fn variable(&self) -> Option<&Variable> {
        match &self.kind {
            Kind::Variable(variable) => Some(variable),
            _ => None,
        }
    }

    /// Whether it gives events.
    pub fn is_notifier(&self) -> bool {
        self.kind == Kind::Object { notifier: true }
    }
}
