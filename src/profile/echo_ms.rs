//! What is true of a model of Echo MS.

use crate::driver::zenotof::ejection::Order;

/// What the Echo MS driver needs to know of a model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EchoMsProfile {
    /// In which order a shot list is worked off where the instrument does not tell.
    pub order: Order,
}
