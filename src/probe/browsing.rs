//! Browse and BrowseNext.

use std::collections::{BTreeSet, VecDeque};

use instrument_proto::device::StatusCode;
use instrument_proto::device::v1::{
    BrowseDescription, BrowseNextRequest, BrowseRequest, BrowseResult, NodeClass, ReferenceDescription,
};

use super::{Missing, Outcome, Probe, Rule, code};

/// Nodes that are looked at, at most: a server may never end.
const NODES: usize = 2000;

/// Pages of one node, at most.
const PAGES: usize = 1000;

/// The Objects folder.
const OBJECTS: &str = "i=85";

fn described(node: &str) -> BrowseDescription {
    BrowseDescription { node_id: node.to_owned(), include_subtypes: true, ..BrowseDescription::default() }
}

impl Probe<'_> {
    async fn page(&mut self, node: &str, most: u32) -> Result<BrowseResult, Missing> {
        let request = BrowseRequest { nodes_to_browse: vec![described(node)], max_references_per_node: most };
        let answer = self.client.browse(self.connection.call(request)).await?.into_inner();
        answer.results.into_iter().next().ok_or_else(|| Missing("no result for the node".to_owned()))
    }

    async fn next_page(&mut self, point: Vec<u8>) -> Result<BrowseResult, Missing> {
        let request = BrowseNextRequest { continuation_points: vec![point], release_continuation_points: false };
        let answer = self.client.browse_next(self.connection.call(request)).await?.into_inner();
        answer.results.into_iter().next().ok_or_else(|| Missing("no result for the continuation point".to_owned()))
    }

    /// All references of a node, and whether they ended.
    async fn all(&mut self, node: &str, most: u32) -> Result<(Vec<ReferenceDescription>, bool), Missing> {
        let mut result = self.page(node, most).await?;
        let mut all = Vec::new();
        for _ in 0..PAGES {
            all.append(&mut result.references);
            if result.continuation_point.is_empty() {
                return Ok((all, true));
            }
            result = self.next_page(result.continuation_point).await?;
        }
        Ok((all, false))
    }

    pub(super) async fn browse(&mut self) {
        let outcome = self.walk().await;
        self.found(Rule::BrowseObjects, outcome);
        let outcome = self.unknown_nodes().await;
        self.found(Rule::BrowseUnknown, outcome);
        let outcome = self.pages().await;
        self.found(Rule::BrowsePages, outcome);
        let outcome = self.once().await;
        self.found(Rule::BrowseOnce, outcome);
        let variables = self.references.iter().filter_map(|reference| Some((reference, reference.variable.as_ref()?)));
        let untyped: Vec<&str> = variables
            .clone()
            .filter(|(_, variable)| variable.data_type.is_empty())
            .map(|(reference, _)| reference.node_id.as_str())
            .collect();
        let outcome = match variables.count() {
            0 => Outcome::untested("Browse found no variable with its description"),
            _ => Outcome::of(untyped.is_empty(), || format!("no data type: {}", untyped.join(", "))),
        };
        self.told(Rule::Types, outcome);
    }

    /// Goes through all that is below the Objects folder.
    async fn walk(&mut self) -> Result<Outcome, Missing> {
        let mut seen: BTreeSet<String> = [OBJECTS.to_owned()].into();
        let mut next: VecDeque<String> = seen.iter().cloned().collect();
        let mut objects = 0;
        while let Some(node) = next.pop_front() {
            let (references, ended) = self.all(&node, 0).await?;
            if !ended || seen.len() > NODES {
                let found = format!("Browse does not end: {} nodes, and more at `{node}`", seen.len());
                return Ok(Outcome::Fail { found });
            }
            for reference in references.into_iter().filter(|reference| reference.is_forward) {
                objects += usize::from(node == OBJECTS && reference.node_class == i32::from(NodeClass::Object));
                if seen.insert(reference.node_id.clone()) {
                    next.push_back(reference.node_id.clone());
                    self.references.push(reference);
                }
            }
        }
        Ok(Outcome::of(objects > 0, || "no object below it".to_owned()))
    }

    async fn unknown_nodes(&mut self) -> Result<Outcome, Missing> {
        let unknown = self.page("ns=1;s=instrumentd/no-such-node", 0).await?.status_code;
        let invalid = self.page("this is no node id", 0).await?.status_code;
        let fits = code(unknown) == StatusCode::BAD_NODE_ID_UNKNOWN && code(invalid) == StatusCode::BAD_NODE_ID_INVALID;
        Ok(Outcome::of(fits, || format!("{} and {}", StatusCode(unknown), StatusCode(invalid))))
    }

    /// The node with the most references.
    async fn widest(&mut self) -> Result<(String, Vec<ReferenceDescription>), Missing> {
        let objects = self.references.iter().filter(|r| r.node_class == i32::from(NodeClass::Object));
        let nodes: Vec<String> = objects.take(50).map(|reference| reference.node_id.clone()).collect();
        let mut widest = (OBJECTS.to_owned(), self.all(OBJECTS, 0).await?.0);
        for node in nodes {
            let references = self.all(&node, 0).await?.0;
            if references.len() > widest.1.len() {
                widest = (node, references);
            }
        }
        Ok(widest)
    }

    async fn pages(&mut self) -> Result<Outcome, Missing> {
        let (node, whole) = self.widest().await?;
        if whole.len() < 2 {
            return Ok(Outcome::untested("no node has two references"));
        }
        let first = self.page(&node, 1).await?;
        if first.references.len() > 1 || first.continuation_point.is_empty() {
            let found = format!("{} references of `{node}` with a limit of 1", first.references.len());
            return Ok(Outcome::Fail { found });
        }
        let (paged, _) = self.all(&node, 1).await?;
        Ok(Outcome::of(paged == whole, || format!("{} references page by page, {} at once", paged.len(), whole.len())))
    }

    async fn once(&mut self) -> Result<Outcome, Missing> {
        let (node, whole) = self.widest().await?;
        let point = self.page(&node, 1).await?.continuation_point;
        if whole.len() < 2 || point.is_empty() {
            return Ok(Outcome::untested("no continuation point was given"));
        }
        self.next_page(point.clone()).await?;
        let status = self.next_page(point).await?.status_code;
        Ok(Outcome::of(code(status) == StatusCode::BAD_CONTINUATION_POINT_INVALID, || StatusCode(status).to_string()))
    }
}
