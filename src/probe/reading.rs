//! Read, and where the user wants it Write and Call.

use instrument_proto::device::StatusCode;
use instrument_proto::device::v1::{
    AttributeId, BrowseDescription, BrowseDirection, BrowseRequest, CallMethodRequest, CallRequest, DataValue,
    NodeClass, ReadRequest, ReadValueId, TimestampsToReturn, WriteRequest, WriteValue,
};

use super::{Missing, Outcome, Probe, Rule, Wishes, code};

/// Variables that are read, at most.
const VARIABLES: usize = 200;

impl Probe<'_> {
    async fn values(&mut self, nodes: &[String], attribute: AttributeId) -> Result<Vec<DataValue>, Missing> {
        let one = |node: &String| ReadValueId {
            node_id: node.clone(),
            attribute_id: attribute.into(),
            index_range: String::new(),
        };
        let request = ReadRequest {
            max_age_ms: 0.0,
            timestamps_to_return: TimestampsToReturn::Both.into(),
            nodes_to_read: nodes.iter().map(one).collect(),
        };
        let values = self.client.read(self.connection.call(request)).await?.into_inner().results;
        if values.len() != nodes.len() {
            return Err(Missing(format!("{} results for {} nodes", values.len(), nodes.len())));
        }
        Ok(values)
    }

    /// The readable variables that Browse found.
    pub(super) fn variables(&self) -> Vec<String> {
        let readable = self.references.iter().filter(|reference| {
            reference.node_class == i32::from(NodeClass::Variable)
                && reference.variable.as_ref().is_none_or(|variable| variable.access_level & 1 != 0)
        });
        readable.take(VARIABLES).map(|reference| reference.node_id.clone()).collect()
    }

    pub(super) async fn read(&mut self) {
        let nodes = self.variables();
        let read = match nodes.is_empty() {
            true => Ok(Vec::new()),
            false => self.values(&nodes, AttributeId::Value).await,
        };
        let outcome = read.map(|values| {
            if nodes.is_empty() {
                return Outcome::untested("Browse found no variable that can be read");
            }
            let bare = nodes.iter().zip(&values).filter(|(_, value)| {
                let has_time = value.source_timestamp.is_some() || value.server_timestamp.is_some();
                !value.status().is_bad() && (value.value.is_none() || !has_time)
            });
            let bare: Vec<&str> = bare.map(|(node, _)| node.as_str()).take(10).collect();
            Outcome::of(bare.is_empty(), || format!("without value or time: {}", bare.join(", ")))
        });
        self.found(Rule::Read, outcome);
        let outcome = match self.instrument_is_gone() {
            false => Ok(Outcome::untested("the instrument answers its server; try again while it is switched off")),
            true => self.stale(&nodes).await,
        };
        self.found(Rule::Stale, outcome);
        let outcome = self.unknown_values(&nodes).await;
        self.found(Rule::ReadUnknown, outcome);
    }

    /// Something of the instrument must be Bad or Uncertain while it is gone.
    async fn stale(&mut self, nodes: &[String]) -> Result<Outcome, Missing> {
        let values = self.values(nodes, AttributeId::Value).await?;
        let is_told = values.iter().any(|value| !value.status().is_good());
        Ok(Outcome::of(is_told, || "the server says that the instrument is gone, and every value is Good".to_owned()))
    }

    async fn unknown_values(&mut self, nodes: &[String]) -> Result<Outcome, Missing> {
        let unknown = ["ns=1;s=instrumentd/no-such-node".to_owned()];
        let unknown = self.values(&unknown, AttributeId::Value).await?.remove(0).status_code;
        let Some(node) = nodes.first() else {
            let fits = code(unknown) == StatusCode::BAD_NODE_ID_UNKNOWN;
            return Ok(Outcome::of(fits, || StatusCode(unknown).to_string()));
        };
        // A variable is no method.
        let lacking = self.values(std::slice::from_ref(node), AttributeId::Executable).await?.remove(0).status_code;
        let fits =
            code(unknown) == StatusCode::BAD_NODE_ID_UNKNOWN && code(lacking) == StatusCode::BAD_ATTRIBUTE_ID_INVALID;
        Ok(Outcome::of(fits, || format!("{} and {}", StatusCode(unknown), StatusCode(lacking))))
    }

    pub(super) async fn change(&mut self, wishes: &Wishes) {
        let mut outcome = Ok(Outcome::untested("no variable was named with --write"));
        for node in &wishes.write {
            outcome = self.write(node).await;
            if !matches!(outcome, Ok(Outcome::Pass)) {
                break;
            }
        }
        self.found(Rule::Write, outcome);
        let mut outcome = Ok(Outcome::untested("no method was named with --call"));
        for node in &wishes.call {
            outcome = self.call(node).await;
            if !matches!(outcome, Ok(Outcome::Pass)) {
                break;
            }
        }
        self.found(Rule::Call, outcome);
    }

    async fn write(&mut self, node: &str) -> Result<Outcome, Missing> {
        let value = self.values(&[node.to_owned()], AttributeId::Value).await?.remove(0);
        if value.status().is_bad() {
            return Ok(Outcome::Fail { found: format!("`{node}` cannot be read: {}", value.status()) });
        }
        let same = DataValue { value: value.value, ..DataValue::default() };
        let write = WriteValue {
            node_id: node.to_owned(),
            attribute_id: AttributeId::Value.into(),
            index_range: String::new(),
            value: Some(same),
        };
        let request = WriteRequest { nodes_to_write: vec![write] };
        let results = self.client.write(self.connection.call(request)).await?.into_inner().results;
        let status = StatusCode(results.first().copied().unwrap_or(StatusCode::BAD.0));
        Ok(Outcome::of(status.is_good(), || format!("`{node}`: {status}")))
    }

    async fn call(&mut self, node: &str) -> Result<Outcome, Missing> {
        let owner = BrowseDescription {
            node_id: node.to_owned(),
            direction: BrowseDirection::Inverse.into(),
            include_subtypes: true,
            ..BrowseDescription::default()
        };
        let request = BrowseRequest { nodes_to_browse: vec![owner], max_references_per_node: 0 };
        let owners = self.client.browse(self.connection.call(request)).await?.into_inner().results;
        let owner = owners.into_iter().flat_map(|result| result.references).next();
        let Some(owner) = owner else {
            return Ok(Outcome::Fail { found: format!("Browse does not tell which object has `{node}`") });
        };
        let described = self.references.iter().find(|reference| reference.node_id == node);
        let wanted =
            described.and_then(|reference| reference.method.as_ref()).map(|method| method.input_arguments.len());
        let method =
            CallMethodRequest { object_id: owner.node_id, method_id: node.to_owned(), input_arguments: Vec::new() };
        let request = CallRequest { methods_to_call: vec![method] };
        let results = self.client.call(self.connection.call(request)).await?.into_inner().results;
        let status = StatusCode(results.first().map_or(StatusCode::BAD.0, |result| result.status_code)).without_info();
        let fits = match wanted {
            Some(0) => status.is_good(),
            Some(_) => status == StatusCode::BAD_ARGUMENTS_MISSING || status == StatusCode::BAD_NOT_EXECUTABLE,
            None => status.is_good() || status == StatusCode::BAD_ARGUMENTS_MISSING,
        };
        Ok(Outcome::of(fits, || format!("`{node}` without arguments: {status}")))
    }
}
