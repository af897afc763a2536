//! `instrumentd probe`.

use std::collections::BTreeMap;

use instrumentd_simulators::device_service::{HostSettings, Limits};
use instrumentd_simulators::echo_ms_plus::{EchoMsPlus, Faults};
use serde_json::Value;

use crate::laboratory::{PACE, binary, settings, start};
use crate::wait_for;

/// What `instrumentd probe` finds: its exit code, and the outcome of each rule.
fn probed(arguments: &[&str]) -> (Option<i32>, BTreeMap<String, Value>) {
    let output = binary().args(["probe", "--format", "json"]).args(arguments).output().expect("it runs");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let rules = report["rules"].as_array().cloned().unwrap_or_default();
    let named = |rule: Value| (rule["rule"].as_str().expect("a name").to_owned(), rule);
    (output.status.code(), rules.into_iter().map(named).collect())
}

#[test]
fn the_simulated_gateway_keeps_the_rules_and_a_probe_changes_nothing() {
    let host = HostSettings { token: Some("s3same".to_owned()), ..HostSettings::default() };
    let echo = EchoMsPlus::start(settings(1), host, Limits::default(), Faults::default(), PACE).expect("it runs");
    let folder = tempfile::tempdir().expect("a folder");
    let token = folder.path().join("token");
    std::fs::write(&token, "s3same\n").expect("written");
    wait_for("some events", || echo.truth().len() > 3);
    let (endpoint, token) = (format!("grpc://{}", echo.address()), token.display().to_string());
    let (ended, rules) = probed(&[&endpoint, "--token-file", &token]);
    let not_passed: Vec<&Value> = rules.values().filter(|rule| rule["outcome"] != "pass").collect();
    let untested: Vec<&str> = not_passed.iter().filter_map(|rule| rule["rule"].as_str()).collect();
    assert_eq!(untested, ["call", "stale", "write"], "{not_passed:#?}");
    assert!(not_passed.iter().all(|rule| rule["outcome"] == "not-tested"), "{not_passed:#?}");
    assert_eq!(ended, Some(0));
    assert_eq!(echo.with_host(|host| host.with(|server, _| server.subscriptions())), 0, "it leaves nothing behind");

    let named = ["--write", "ns=2;s=Device/OperationalLocation", "--call", "ns=2;s=Device/AddComment"];
    let (ended, rules) = probed(&[&[&endpoint, "--token-file", &*token], &named[..]].concat());
    assert_eq!(
        (ended, &rules["write"]["outcome"], &rules["call"]["outcome"]),
        (Some(0), &"pass".into(), &"pass".into()),
        "{rules:#?}"
    );
    let unwritable = ["--write", "ns=2;s=Device/Identification/Model"];
    let (ended, rules) = probed(&[&[&endpoint, "--token-file", &*token], &unwritable[..]].concat());
    assert_eq!((ended, &rules["write"]["outcome"]), (Some(1), &"fail".into()));
}

/// All that can be seen from outside is seen each time, also of a server in which nothing happens any more.
#[test]
fn an_idle_gateway_keeps_the_rules_as_often_as_it_is_probed() {
    let mut echo = start(settings(1), Faults::default());
    echo.wait().expect("it ran");
    let endpoint = format!("grpc://{}", echo.address());
    for _ in 0..2 {
        let (ended, rules) = probed(&[&endpoint]);
        let not_passed: Vec<&Value> = rules.values().filter(|rule| rule["outcome"] != "pass").collect();
        let untested: Vec<&str> = not_passed.iter().filter_map(|rule| rule["rule"].as_str()).collect();
        assert_eq!(untested, ["call", "identity", "stale", "write"], "{not_passed:#?}");
        assert_eq!(ended, Some(0), "{not_passed:#?}");
    }
    assert_eq!(echo.with_host(|host| host.with(|server, _| server.subscriptions())), 0, "it leaves nothing behind");
}

#[test]
fn a_probe_says_what_is_wrong_and_that_there_is_no_server() {
    let echo = start(settings(1), Faults::default());
    wait_for("some events", || echo.truth().len() > 3);
    echo.with_host(|host| host.with(|server, _| server.answer_wrongly(1000)));
    let (ended, rules) = probed(&[&format!("grpc://{}", echo.address())]);
    assert_eq!(ended, Some(1));
    let failed: Vec<&String> =
        rules.iter().filter(|(_, rule)| rule["outcome"] == "fail").map(|(name, _)| name).collect();
    assert!(failed.iter().any(|name| *name == "read-unknown" || *name == "item-refused"), "{failed:?}");
    assert_eq!(probed(&["grpc://127.0.0.1:1"]).0, Some(2));
}
