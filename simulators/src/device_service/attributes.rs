//! Read, Write and Call: what nodes are, and what one may do to them.

use instrument_proto::device::v1::{
    AttributeId, CallMethodRequest, CallMethodResult, CallRequest, CallResponse, DataValue, ReadRequest, ReadResponse,
    ReadValueId, Variant, WriteRequest, WriteResponse, WriteValue,
};
use instrument_proto::device::{NodeId, StatusCode, attribute, built_in_type, to_timestamp};
use jiff::Timestamp;
use prost::Message as _;

use super::refusal::Refusal;
use super::server::{Server, stamps};
use super::space::{Access, Kind, Node};
use super::variable::{self, IndexRange, attribute_of, stamped};

impl Server {
    /// What attributes are now.
    ///
    /// # Errors
    /// [`Refusal`] where the call names nothing or too much, or asks for times or an age that do not exist.
    pub fn read(&mut self, asked: &ReadRequest, now: Timestamp) -> Result<ReadResponse, Refusal> {
        Refusal::check_count(asked.nodes_to_read.len(), self.limits.per_call)?;
        let stamps = stamps(asked.timestamps_to_return)?;
        if asked.max_age_ms.is_nan() || asked.max_age_ms < 0.0 {
            let text = format!("max_age_ms is {}, and must not be below 0", asked.max_age_ms);
            return Err(Refusal::new(StatusCode::BAD_MAX_AGE_INVALID, text));
        }
        let mut room = self.limits.content();
        let mut results = Vec::with_capacity(asked.nodes_to_read.len());
        for wanted in &asked.nodes_to_read {
            let result = stamped(self.read_one(wanted, now).unwrap_or_else(DataValue::bad), stamps);
            Refusal::take_room(&mut room, result.encoded_len())?;
            results.push(result);
        }
        if self.wrong_codes > 0 {
            self.wrong_codes -= 1;
            results.iter_mut().for_each(|result| result.status_code = 0x8DEA_D000);
        }
        Ok(ReadResponse { results })
    }

    fn read_one(&self, wanted: &ReadValueId, now: Timestamp) -> Result<DataValue, StatusCode> {
        let (id, node, attribute, range) = self.locate(wanted)?;
        let value = if attribute == AttributeId::Value {
            match &node.kind {
                Kind::Variable(_) => self.current(&id, now),
                _ => return Err(StatusCode::BAD_ATTRIBUTE_ID_INVALID),
            }
        } else {
            let value = attribute_of(&id, node, attribute).ok_or(StatusCode::BAD_ATTRIBUTE_ID_INVALID)?;
            // Only values have a source.
            DataValue { source_timestamp: None, ..variable::own(value, now) }
        };
        Ok(range.map_or_else(|| value.clone(), |range| range.of(value.clone())))
    }

    /// The node, attribute and part that are meant.
    pub(super) fn locate(
        &self,
        wanted: &ReadValueId,
    ) -> Result<(NodeId, &Node, AttributeId, Option<IndexRange>), StatusCode> {
        let id: NodeId = wanted.node_id.parse().map_err(|_| StatusCode::BAD_NODE_ID_INVALID)?;
        let node = self.space.get(&id).ok_or(StatusCode::BAD_NODE_ID_UNKNOWN)?;
        let attribute = attribute(wanted.attribute_id).ok_or(StatusCode::BAD_ATTRIBUTE_ID_INVALID)?;
        Ok((id, node, attribute, IndexRange::parse(&wanted.index_range)?))
    }

    /// Writes values.
    ///
    /// # Errors
    /// [`Refusal`] where the call names nothing or too much.
    pub fn write(&mut self, asked: &WriteRequest, now: Timestamp) -> Result<WriteResponse, Refusal> {
        Refusal::check_count(asked.nodes_to_write.len(), self.limits.per_call)?;
        let mut results = Vec::with_capacity(asked.nodes_to_write.len());
        for write in &asked.nodes_to_write {
            results.push(self.write_one(write, now).err().unwrap_or(StatusCode::GOOD).0);
        }
        Ok(WriteResponse { results })
    }

    fn write_one(&mut self, write: &WriteValue, now: Timestamp) -> Result<(), StatusCode> {
        let id: NodeId = write.node_id.parse().map_err(|_| StatusCode::BAD_NODE_ID_INVALID)?;
        let node = self.space.get(&id).ok_or(StatusCode::BAD_NODE_ID_UNKNOWN)?;
        let attribute = attribute(write.attribute_id).ok_or(StatusCode::BAD_ATTRIBUTE_ID_INVALID)?;
        let Some(variable) = node.variable() else { return Err(StatusCode::BAD_NOT_WRITABLE) };
        if attribute != AttributeId::Value || variable.access != Access::ReadWrite {
            return Err(StatusCode::BAD_NOT_WRITABLE);
        }
        let value = write.value.as_ref().ok_or(StatusCode::BAD_TYPE_MISMATCH)?;
        if value.status_code != 0 || value.server_timestamp.is_some() || !write.index_range.is_empty() {
            return Err(StatusCode::BAD_WRITE_NOT_SUPPORTED);
        }
        let content = value.value.as_ref().ok_or(StatusCode::BAD_TYPE_MISMATCH)?;
        if !variable::fits(variable, content) {
            return Err(StatusCode::BAD_TYPE_MISMATCH);
        }
        let source = value.source_timestamp.as_ref().and_then(to_timestamp).unwrap_or(now);
        let content = content.clone();
        self.set(&id, *content, source, now);
        Ok(())
    }

    /// Calls methods.
    ///
    /// # Errors
    /// [`Refusal`] where the call names nothing or too much.
    pub fn call(&mut self, asked: &CallRequest, now: Timestamp) -> Result<CallResponse, Refusal> {
        Refusal::check_count(asked.methods_to_call.len(), self.limits.per_call)?;
        let mut results = Vec::with_capacity(asked.methods_to_call.len());
        for call in &asked.methods_to_call {
            results.push(self.call_one(call, now).unwrap_or_else(|(code, arguments)| CallMethodResult {
                status_code: code.0,
                input_argument_results: arguments,
                output_arguments: Vec::new(),
            }));
        }
        Ok(CallResponse { results })
    }

    fn call_one(
        &mut self,
        call: &CallMethodRequest,
        now: Timestamp,
    ) -> Result<CallMethodResult, (StatusCode, Vec<u32>)> {
        let plain = |code: StatusCode| (code, Vec::new());
        let id = |text: &str| text.parse::<NodeId>().map_err(|_| plain(StatusCode::BAD_NODE_ID_INVALID));
        let (object, method) = (id(&call.object_id)?, id(&call.method_id)?);
        let owner = self.space.get(&object).ok_or_else(|| plain(StatusCode::BAD_NODE_ID_UNKNOWN))?;
        let is_its = owner.references.iter().any(|(_, forward, target)| *forward && *target == method);
        let Some(Node { kind: Kind::Method { executable, inputs, .. }, .. }) = self.space.get(&method) else {
            return Err(plain(StatusCode::BAD_METHOD_INVALID));
        };
        let given = &call.input_arguments;
        let refused = match () {
            () if !is_its => Some(StatusCode::BAD_METHOD_INVALID),
            () if !executable => Some(StatusCode::BAD_NOT_EXECUTABLE),
            () if given.len() < inputs.len() => Some(StatusCode::BAD_ARGUMENTS_MISSING),
            () if given.len() > inputs.len() => Some(StatusCode::BAD_TOO_MANY_ARGUMENTS),
            () => None,
        };
        if let Some(code) = refused {
            return Err(plain(code));
        }
        let fits = |wanted: &str, given: &Variant| wanted == format!("i={}", built_in_type(given));
        let codes = inputs.iter().zip(given).map(|(wanted, given)| match fits(&wanted.data_type, given) {
            true => StatusCode::GOOD.0,
            false => StatusCode::BAD_TYPE_MISMATCH.0,
        });
        let codes: Vec<u32> = codes.collect();
        if codes.iter().any(|code| *code != 0) {
            return Err((StatusCode::BAD_INVALID_ARGUMENT, codes));
        }
        let output_arguments = self.methods.call(&method, given, now).map_err(plain)?;
        Ok(CallMethodResult { status_code: 0, input_argument_results: codes, output_arguments })
    }
}
