//! The bearer token that each call carries.

use std::sync::Arc;

use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::{Request, Status};

use super::failure::Failure;
use crate::config::grpc::GrpcSettings;
use crate::tls;

/// What stands before a token.
const SCHEME: &str = "Bearer ";

/// Puts the token of the configuration, where there is one, on each call.
#[derive(Clone)]
pub struct Bearer(Option<MetadataValue<Ascii>>);

/// A token is shown nowhere.
impl std::fmt::Debug for Bearer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "Bearer(a token)" } else { "Bearer(none)" })
    }
}

impl Bearer {
    /// Reads the token of `settings` from its file.
    pub(super) async fn read(settings: &GrpcSettings, peer: &Arc<str>) -> Result<Self, Failure> {
        let Some(path) = settings.token_file.clone() else { return Ok(Self(None)) };
        let shown = path.display().to_string();
        let token = tokio::task::spawn_blocking(move || tls::secret(&path, "the token file"))
            .await
            .map_err(|error| Failure::unusable(peer, &error))?
            .map_err(|error| Failure::of_file(peer, &error))?;
        let token = token.trim();
        let mut value = match format!("{SCHEME}{token}").parse::<MetadataValue<Ascii>>() {
            Ok(value) if !token.is_empty() => value,
            _ => return Err(Failure::no_token(peer, &shown)),
        };
        // Kept out of HPACK's table and of every debug print.
        value.set_sensitive(true);
        Ok(Self(Some(value)))
    }

    /// The token itself, to be kept out of recordings.
    pub(super) fn token(&self) -> Option<&str> {
        self.0.as_ref()?.to_str().ok()?.strip_prefix(SCHEME)
    }
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = &self.0 {
            request.metadata_mut().insert("authorization", token.clone());
        }
        Ok(request)
    }
}
