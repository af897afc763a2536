//! A server of the device service, for any instrument.
//!
//! [`Server`] is the whole of it as a state machine: address space, history, subscriptions with their queues, all with the time as an
//! argument. [`Host`] puts it on a port, with TLS, a token and what can go wrong between a server and its clients.

mod attributes;
mod browse;
mod event;
mod fault;
mod history;
mod host;
mod item;
mod limits;
mod refusal;
mod server;
mod service;
mod space;
mod spoil;
mod subscribe;
mod subscription;
#[cfg(test)]
mod tests;
mod variable;

pub use event::Event;
pub use fault::Switches;
pub(crate) use host::new_epoch;
pub use host::{Host, HostError, HostSettings, Restart, TlsFiles};
pub use limits::Limits;
pub use refusal::Refusal;
pub use server::{Identity, Methods, Poll, Server, Stream};
pub use space::{Access, AddressSpace, Kind, Node, Variable};
