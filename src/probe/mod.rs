//! Whether a server keeps the rules of the device service (`docs/device-service.md`), as far as that can be seen from outside.
//!
//! Only what changes nothing is asked; Write and Call only of nodes that the user names.

mod browsing;
mod reading;
mod rules;
mod subscribing;

use std::time::Duration;

use instrument_proto::device::StatusCode;
use instrument_proto::device::v1::device_service_client::DeviceServiceClient;
use instrument_proto::device::v1::{GetServerStatusRequest, ReferenceDescription, ServerState, ServerStatus};
use serde::Serialize;
use tonic::{Response, Status};

use crate::config::grpc::GrpcSettings;
use crate::link::device_service::opc_status;
use crate::link::grpc::{Connection, Failure, Kind, Service, connect};

pub use rules::Rule;

/// How long something may be late.
const GRACE: Duration = Duration::from_secs(3);

/// What the user wants tried that changes something.
#[derive(Debug, Clone, Default)]
pub struct Wishes {
    /// Variables that may be written.
    pub write: Vec<String>,
    /// Methods that may be called.
    pub call: Vec<String>,
}

/// What was found.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The endpoint.
    pub endpoint: String,
    /// What the server says of itself.
    pub server: String,
    /// The rules, in their order.
    pub rules: Vec<Line>,
}

/// One rule, and whether it is kept.
#[derive(Debug, Clone, Serialize)]
pub struct Line {
    /// Its name.
    pub rule: &'static str,
    /// What must hold.
    pub text: &'static str,
    /// Whether it does.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// What to do where it does not.
    pub remedy: &'static str,
}

/// Whether a rule is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// It is.
    Pass,
    /// It is not.
    Fail {
        /// What was found instead.
        found: String,
    },
    /// It could not be tried.
    NotTested {
        /// Why.
        why: String,
    },
}

impl Outcome {
    /// The word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail { .. } => "FAIL",
            Self::NotTested { .. } => "not tested",
        }
    }

    fn of(holds: bool, found: impl FnOnce() -> String) -> Self {
        if holds { Self::Pass } else { Self::Fail { found: found() } }
    }

    fn untested(why: &str) -> Self {
        Self::NotTested { why: why.to_owned() }
    }
}

/// What a check needs that is not to be had: a call failed.
pub(crate) struct Missing(String);

impl From<Status> for Missing {
    fn from(status: Status) -> Self {
        let code = opc_status(&status).map(|code| format!(", {code}")).unwrap_or_default();
        let text: String = status.message().chars().take(200).filter(|c| !c.is_control()).collect();
        Self(format!("the call failed: {:?}{code}: {text}", status.code()))
    }
}

/// A probe under way.
struct Probe<'a> {
    settings: &'a GrpcSettings,
    connection: Connection,
    client: DeviceServiceClient<Service>,
    status: ServerStatus,
    rules: Vec<(Rule, Outcome)>,
    /// What Browse found.
    references: Vec<ReferenceDescription>,
}

fn client(connection: &Connection) -> DeviceServiceClient<Service> {
    DeviceServiceClient::new(connection.service()).max_decoding_message_size(connection.max_message())
}

/// Asks the server of `settings`.
///
/// # Errors
/// It cannot be asked at all.
pub async fn probe(settings: &GrpcSettings, wishes: &Wishes) -> Result<Report, Failure> {
    let connection = connect(settings).await?;
    let mut asked = client(&connection);
    let status = asked.get_server_status(connection.call(GetServerStatusRequest {})).await;
    let status = status.map(Response::into_inner).map_err(|status| connection.failure(&status))?;
    let mut probe = Probe { settings, client: asked, connection, status, rules: Vec::new(), references: Vec::new() };
    probe.server().await;
    probe.browse().await;
    probe.read().await;
    probe.subscribe().await;
    probe.change(wishes).await;
    Ok(probe.report())
}

impl Probe<'_> {
    fn told(&mut self, rule: Rule, outcome: Outcome) {
        self.rules.push((rule, outcome));
    }

    /// Notes what a check found; a call that failed is a rule that is not kept.
    fn found(&mut self, rule: Rule, outcome: Result<Outcome, Missing>) {
        self.told(rule, outcome.unwrap_or_else(|Missing(found)| Outcome::Fail { found }));
    }

    fn report(self) -> Report {
        let build = self.status.build_info.unwrap_or_default();
        let shown = |text: &str| text.chars().take(100).filter(|c| !c.is_control()).collect::<String>();
        let line = |rule: &Rule| Line {
            rule: rule.name(),
            text: rule.text(),
            outcome: self
                .rules
                .iter()
                .find(|(known, _)| known == rule)
                .map_or_else(|| Outcome::untested("what it needs was not there"), |(_, outcome)| outcome.clone()),
            remedy: rule.remedy(),
        };
        Report {
            endpoint: self.settings.endpoint(),
            server: format!(
                "{} {} by {}, epoch {}",
                shown(&build.product_name),
                shown(&build.software_version),
                shown(&build.manufacturer_name),
                shown(&self.status.server_epoch)
            ),
            rules: Rule::ALL.iter().map(line).collect(),
        }
    }

    async fn server(&mut self) {
        let again = self.client.get_server_status(self.connection.call(GetServerStatusRequest {})).await;
        let epoch = self.status.server_epoch.clone();
        let outcome = again.map_err(Missing::from).map(|again| {
            let again = again.into_inner().server_epoch;
            let fits = (1..=64).contains(&epoch.chars().count()) && again == epoch;
            Outcome::of(fits, || format!("`{}` of {} characters, then `{again}`", epoch, epoch.chars().count()))
        });
        self.found(Rule::Epoch, outcome);
        let namespaces = &self.status.namespaces;
        let fits = namespaces.first().is_some_and(|uri| uri == "http://opcfoundation.org/UA/")
            && namespaces.get(1).is_some_and(|uri| *uri == self.status.server_uri && !uri.is_empty());
        let outcome = Outcome::of(fits, || format!("{namespaces:?}, server_uri `{}`", self.status.server_uri));
        self.told(Rule::Namespaces, outcome);
        let outcome = self.health().await;
        self.told(Rule::Health, outcome);
        let outcome = self.identity().await;
        self.told(Rule::Identity, outcome);
    }

    /// Asks the standard health service: its request is a text, its answer a number, each in field 1.
    async fn health(&self) -> Outcome {
        let mut grpc = tonic::client::Grpc::new(self.connection.service());
        if let Err(error) = grpc.ready().await {
            return Outcome::Fail { found: error.to_string() };
        }
        let path = tonic::codegen::http::uri::PathAndQuery::from_static("/grpc.health.v1.Health/Check");
        let codec = tonic_prost::ProstCodec::<String, i32>::default();
        match grpc.unary(self.connection.call(String::new()), path, codec).await {
            // 1 is SERVING.
            Ok(answer) => Outcome::of(*answer.get_ref() == 1, || format!("status {}", answer.get_ref())),
            Err(status) => Outcome::Fail { found: Missing::from(status).0 },
        }
    }

    async fn identity(&self) -> Outcome {
        if self.settings.token_file.is_none() {
            return Outcome::untested("no token was given; with --token-file it is tried without");
        }
        let stranger = GrpcSettings { token_file: None, ..self.settings.clone() };
        let connection = match connect(&stranger).await {
            Ok(connection) => connection,
            Err(failure) => return Outcome::Fail { found: failure.to_string() },
        };
        let asked = client(&connection).get_server_status(connection.call(GetServerStatusRequest {})).await;
        match asked.map_err(|status| connection.failure(&status).kind) {
            Err(Kind::Unauthenticated) => Outcome::Pass,
            Err(kind) => Outcome::Fail { found: format!("it was refused, but not as Unauthenticated: {kind:?}") },
            Ok(_) => Outcome::Fail { found: "it was answered".to_owned() },
        }
    }

    fn instrument_is_gone(&self) -> bool {
        self.status.state == i32::from(ServerState::CommunicationFault)
    }
}

fn code(code: u32) -> StatusCode {
    StatusCode(code).without_info()
}
