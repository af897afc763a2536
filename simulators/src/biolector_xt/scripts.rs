//! What the instrument thinks of scripts that are to change a running experiment.

use std::collections::BTreeSet;

use instrument_proto::biolector_xt::update_running_experiment_response::{ScriptResult, UpdateResult};
use serde_json::Value;

/// A result for each script of a JSON list of `{Id, Script}`.
pub(super) fn judge_scripts(text: &str) -> Vec<ScriptResult> {
    let result = |id: &str, result: UpdateResult, message: &str| ScriptResult {
        id: id.to_owned(),
        update_result: result as i32,
        message: message.to_owned(),
    };
    let scripts = match serde_json::from_str::<Value>(text) {
        Err(error) => return vec![result("", UpdateResult::UnspecifiedError, &format!("not JSON: {error}"))],
        Ok(Value::Array(scripts)) => scripts,
        Ok(_) => return vec![result("", UpdateResult::UnspecifiedError, "a list of scripts is expected")],
    };
    if scripts.is_empty() {
        return vec![result("", UpdateResult::NoScripts, "the list is empty")];
    }
    let mut seen = BTreeSet::new();
    let judge = |script: &Value| {
        let id = script["Id"].as_str().unwrap_or("");
        let (found, message) = match script["Script"].as_str() {
            _ if id.is_empty() => (UpdateResult::EmptyScriptId, "the script has no Id"),
            _ if !seen.insert(id.to_owned()) => (UpdateResult::DuplicateScriptId, "another script has the same Id"),
            None => (UpdateResult::NullScript, "there is no Script"),
            Some(code) if !is_balanced(code) => (UpdateResult::SyntaxError, "brackets do not match"),
            Some(code) if code.contains("error(") => (UpdateResult::DryRunError, "the dry run raised an error"),
            Some(_) => (UpdateResult::Ok, ""),
        };
        result(id, found, message)
    };
    scripts.iter().map(judge).collect()
}

/// As much of Lua's syntax as this checks.
fn is_balanced(code: &str) -> bool {
    let mut depth = 0;
    for c in code.chars() {
        depth += i32::from(c == '(') - i32::from(c == ')');
        if depth < 0 {
            return false;
        }
    }
    depth == 0
}
