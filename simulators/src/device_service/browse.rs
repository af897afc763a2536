//! Browse: what is there.

use std::collections::VecDeque;

use instrument_proto::device::v1::{
    BrowseDescription, BrowseDirection, BrowseNextRequest, BrowseRequest, BrowseResponse, BrowseResult,
    MethodDescription, NodeClass, ReferenceDescription, VariableDescription,
};
use instrument_proto::device::{NodeId, StatusCode, label};

use prost::Message as _;

use super::refusal::Refusal;
use super::server::{Cursor, Server, key};
use super::space::{AddressSpace, Kind, Node, Variable, reference};

impl Server {
    /// What nodes refer to.
    ///
    /// # Errors
    /// [`Refusal`] where the call names nothing or too much.
    pub fn browse(&mut self, asked: &BrowseRequest) -> Result<BrowseResponse, Refusal> {
        Refusal::check_count(asked.nodes_to_browse.len(), self.limits.per_call)?;
        let page = match asked.max_references_per_node as usize {
            0 => self.limits.references,
            page => page.min(self.limits.references),
        };
        let mut room = self.limits.content();
        let mut results = Vec::with_capacity(asked.nodes_to_browse.len());
        for node in &asked.nodes_to_browse {
            let found = references(&self.space, node);
            let result = match found {
                Ok(found) => self.browse_page(found.into(), page),
                Err(code) => refused(code),
            };
            Refusal::take_room(&mut room, result.encoded_len())?;
            results.push(result);
        }
        Ok(BrowseResponse { results })
    }

    /// The rest of it.
    ///
    /// # Errors
    /// [`Refusal`] where the call names nothing or too much.
    pub fn browse_next(&mut self, asked: &BrowseNextRequest) -> Result<BrowseResponse, Refusal> {
        Refusal::check_count(asked.continuation_points.len(), self.limits.per_call)?;
        let mut results = Vec::with_capacity(asked.continuation_points.len());
        for point in &asked.continuation_points {
            let cursor = key(point).and_then(|key| self.cursors.remove(&key));
            results.push(match cursor {
                Some(Cursor::Browse { .. }) if asked.release_continuation_points => BrowseResult::default(),
                Some(Cursor::Browse { rest, page }) => self.browse_page(rest, page),
                _ => refused(StatusCode::BAD_CONTINUATION_POINT_INVALID),
            });
        }
        Ok(BrowseResponse { results })
    }

    fn browse_page(&mut self, mut found: VecDeque<ReferenceDescription>, page: usize) -> BrowseResult {
        let references = found.drain(..page.min(found.len())).collect();
        let continuation_point =
            if found.is_empty() { Vec::new() } else { self.keep_cursor(Cursor::Browse { rest: found, page }) };
        BrowseResult { status_code: 0, continuation_point, references }
    }
}

/// All references of a node that a caller asked for, or the code of a refusal.
fn references(space: &AddressSpace, asked: &BrowseDescription) -> Result<Vec<ReferenceDescription>, StatusCode> {
    let id: NodeId = asked.node_id.parse().map_err(|_| StatusCode::BAD_NODE_ID_INVALID)?;
    let node = space.get(&id).ok_or(StatusCode::BAD_NODE_ID_UNKNOWN)?;
    let direction = BrowseDirection::try_from(asked.direction).map_err(|_| StatusCode::BAD_BROWSE_DIRECTION_INVALID)?;
    let wanted = match asked.reference_type_id.as_str() {
        "" => None,
        text => Some(reference_type(text).ok_or(StatusCode::BAD_REFERENCE_TYPE_ID_INVALID)?),
    };
    let is_wanted = |by: u32| match wanted {
        None => true,
        Some(wanted) if asked.include_subtypes => is_below(by, wanted),
        Some(wanted) => by == wanted,
    };
    let found = node.references.iter().filter(|(by, forward, _)| {
        is_wanted(*by)
            && match direction {
                BrowseDirection::Forward => *forward,
                BrowseDirection::Inverse => !*forward,
                BrowseDirection::Both => true,
            }
    });
    let described = found.filter_map(|(by, forward, target)| {
        let node = space.get(target)?;
        let class = node.kind.class();
        (asked.node_class_mask == 0 || asked.node_class_mask & class as u32 != 0)
            .then(|| describe(*by, *forward, target, node, class))
    });
    Ok(described.collect())
}

/// A refusal of one node.
fn refused(code: StatusCode) -> BrowseResult {
    BrowseResult { status_code: code.0, ..BrowseResult::default() }
}

fn reference_type(text: &str) -> Option<u32> {
    let id: NodeId = text.parse().ok()?;
    (31..=48).find(|number| id == NodeId::numeric(0, *number) && (*number == 31 || reference::supertype(*number) != 0))
}

fn is_below(mut number: u32, ancestor: u32) -> bool {
    while number != ancestor && number != 0 {
        number = reference::supertype(number);
    }
    number == ancestor
}

fn describe(by: u32, is_forward: bool, id: &NodeId, node: &Node, class: NodeClass) -> ReferenceDescription {
    ReferenceDescription {
        reference_type_id: NodeId::numeric(0, by).to_string(),
        is_forward,
        node_id: id.to_string(),
        node_class: class.into(),
        browse_name: Some(node.browse_name.clone()),
        display_name: Some(label(&node.browse_name.name)),
        type_definition: node.type_definition.as_ref().map(NodeId::to_string).unwrap_or_default(),
        description: Some(label(&node.description)),
        event_notifier: event_notifier(node),
        variable: node.variable().map(describe_variable),
        method: match &node.kind {
            Kind::Method { executable, inputs, outputs } => Some(MethodDescription {
                executable: *executable,
                input_arguments: inputs.clone(),
                output_arguments: outputs.clone(),
            }),
            _ => None,
        },
    }
}

/// The attribute EventNotifier: 1 subscribed to, 4 history read.
pub(super) fn event_notifier(node: &Node) -> u32 {
    if node.is_notifier() { 1 | 4 } else { 0 }
}

fn describe_variable(variable: &Variable) -> VariableDescription {
    let access = variable.access.bits();
    VariableDescription {
        data_type: NodeId::numeric(0, variable.data_type).to_string(),
        value_rank: if variable.array { 1 } else { -1 },
        engineering_units: variable.unit.clone(),
        eu_range: variable.range,
        access_level: access,
        historizing: access & 4 != 0,
        minimum_sampling_interval_ms: 0.0,
    }
}
