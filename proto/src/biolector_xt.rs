//! The BioLector XT's remote-control service (`biolectorxt.api.BioLectorXtRemoteControl`): its messages, a client with
//! the methods that the daemon may call, and with the feature `server` the instrument's side with all of them.
//!
//! The definition is `proto/biolector_xt/remote_control.proto`, compatible on the wire with the instrument's own.
#![allow(missing_docs, clippy::all, clippy::pedantic, clippy::unwrap_used)]

tonic::include_proto!("biolectorxt.api");

/// A client that can ask what `proto/build.rs` lists and nothing else.
pub mod client {
    include!(concat!(env!("OUT_DIR"), "/biolector_xt_client/biolectorxt.api.rs"));
    pub use bio_lector_xt_remote_control_client::BioLectorXtRemoteControlClient;
}

/// The described service, for reflection.
#[cfg(feature = "server")]
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/biolector_xt.bin"));

#[cfg(test)]
mod tests {
    #[test]
    fn the_client_has_no_code_for_what_changes_the_instrument() {
        let client = include_str!(concat!(env!("OUT_DIR"), "/biolector_xt_client/biolectorxt.api.rs"));
        let methods: Vec<&str> = client
            .split("/biolectorxt.api.BioLectorXtRemoteControl/")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .collect();
        assert_eq!(methods.len(), 17, "{methods:?}");
        let forbidden = ["Start", "Stop", "Upload", "Delete", "Open", "Close", "Set", "Update", "Run"];
        for method in methods {
            assert!(!forbidden.iter().any(|word| method.starts_with(word)), "{method}");
        }
    }
}
