//! OPC UA's StatusCodes, with their real numbers.
//!
//! source: OPC 10000-4, 7.39 and 7.40; the numbers are those of OPC UA's published list.

use std::fmt;

/// How good a value or an outcome is: the two highest bits of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// It can be used.
    Good,
    /// It can be used with care.
    Uncertain,
    /// It is not to be used.
    Bad,
}

/// A StatusCode of OPC UA: severity and meaning in the upper 16 bits, info bits in the lower.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatusCode(pub u32);

macro_rules! codes {
    ($($constant:ident = $number:literal, $name:literal, $text:literal;)*) => {
        impl StatusCode {
            $(#[doc = $text] pub const $constant: StatusCode = StatusCode($number);)*

            /// The codes that this service uses, in the order of their numbers.
            pub const KNOWN: &'static [StatusCode] = &[$(StatusCode::$constant,)*];

            /// OPC UA's name, where the code is one of [`StatusCode::KNOWN`] but for its info bits.
            pub fn name(self) -> Option<&'static str> {
                match self.0 & 0xFFFF_0000 {
                    $($number => Some($name),)*
                    _ => None,
                }
            }
        }
    };
}

codes! {
    GOOD = 0x0000_0000, "Good", "All is well.";
    GOOD_SUBSCRIPTION_TRANSFERRED = 0x002D_0000, "GoodSubscriptionTransferred", "Another stream of the subscription was opened.";
    GOOD_NO_DATA = 0x00A5_0000, "GoodNoData", "There is nothing in the time that was asked for.";
    UNCERTAIN_NO_COMMUNICATION_LAST_USABLE_VALUE = 0x408F_0000, "UncertainNoCommunicationLastUsableValue", "The last value before the instrument was lost.";
    UNCERTAIN_INITIAL_VALUE = 0x4092_0000, "UncertainInitialValue", "No value came yet.";
    BAD = 0x8000_0000, "Bad", "Failed, and no more is known.";
    BAD_UNEXPECTED_ERROR = 0x8001_0000, "BadUnexpectedError", "Something failed that should not.";
    BAD_INTERNAL_ERROR = 0x8002_0000, "BadInternalError", "The server made a mistake.";
    BAD_OUT_OF_MEMORY = 0x8003_0000, "BadOutOfMemory", "Not enough memory.";
    BAD_RESOURCE_UNAVAILABLE = 0x8004_0000, "BadResourceUnavailable", "Something that is needed is not there.";
    BAD_COMMUNICATION_ERROR = 0x8005_0000, "BadCommunicationError", "The line failed.";
    BAD_TIMEOUT = 0x800A_0000, "BadTimeout", "It took too long; of a subscription, its lifetime is over.";
    BAD_SERVICE_UNSUPPORTED = 0x800B_0000, "BadServiceUnsupported", "The server does not offer this.";
    BAD_SHUTDOWN = 0x800C_0000, "BadShutdown", "The server goes.";
    BAD_NOTHING_TO_DO = 0x800F_0000, "BadNothingToDo", "The call names nothing.";
    BAD_TOO_MANY_OPERATIONS = 0x8010_0000, "BadTooManyOperations", "The call names more than the server allows at once.";
    BAD_USER_ACCESS_DENIED = 0x801F_0000, "BadUserAccessDenied", "This client may not do this.";
    BAD_IDENTITY_TOKEN_REJECTED = 0x8021_0000, "BadIdentityTokenRejected", "The token is not the right one.";
    BAD_SUBSCRIPTION_ID_INVALID = 0x8028_0000, "BadSubscriptionIdInvalid", "There is no such subscription (any more).";
    BAD_TIMESTAMPS_TO_RETURN_INVALID = 0x802B_0000, "BadTimestampsToReturnInvalid", "There is no such choice of time-stamps.";
    BAD_NO_COMMUNICATION = 0x8031_0000, "BadNoCommunication", "The instrument behind the server does not answer.";
    BAD_WAITING_FOR_INITIAL_DATA = 0x8032_0000, "BadWaitingForInitialData", "No value came yet.";
    BAD_NODE_ID_INVALID = 0x8033_0000, "BadNodeIdInvalid", "This is no node id.";
    BAD_NODE_ID_UNKNOWN = 0x8034_0000, "BadNodeIdUnknown", "There is no such node.";
    BAD_ATTRIBUTE_ID_INVALID = 0x8035_0000, "BadAttributeIdInvalid", "The node has no such attribute.";
    BAD_INDEX_RANGE_INVALID = 0x8036_0000, "BadIndexRangeInvalid", "This is no index range.";
    BAD_INDEX_RANGE_NO_DATA = 0x8037_0000, "BadIndexRangeNoData", "There is nothing in the index range.";
    BAD_NOT_READABLE = 0x803A_0000, "BadNotReadable", "The value cannot be read.";
    BAD_NOT_WRITABLE = 0x803B_0000, "BadNotWritable", "The value cannot be written.";
    BAD_OUT_OF_RANGE = 0x803C_0000, "BadOutOfRange", "The value is out of range.";
    BAD_NOT_SUPPORTED = 0x803D_0000, "BadNotSupported", "This is not supported.";
    BAD_NOT_FOUND = 0x803E_0000, "BadNotFound", "This was not found.";
    BAD_MONITORED_ITEM_ID_INVALID = 0x8042_0000, "BadMonitoredItemIdInvalid", "There is no such monitored item.";
    BAD_MONITORED_ITEM_FILTER_INVALID = 0x8043_0000, "BadMonitoredItemFilterInvalid", "The filter makes no sense.";
    BAD_MONITORED_ITEM_FILTER_UNSUPPORTED = 0x8044_0000, "BadMonitoredItemFilterUnsupported", "The server has no such filter.";
    BAD_FILTER_NOT_ALLOWED = 0x8045_0000, "BadFilterNotAllowed", "This filter does not go with this attribute.";
    BAD_CONTINUATION_POINT_INVALID = 0x804A_0000, "BadContinuationPointInvalid", "The continuation point is used, forgotten or not from here.";
    BAD_NO_CONTINUATION_POINTS = 0x804B_0000, "BadNoContinuationPoints", "Too many continuation points are open.";
    BAD_REFERENCE_TYPE_ID_INVALID = 0x804C_0000, "BadReferenceTypeIdInvalid", "There is no such type of reference.";
    BAD_BROWSE_DIRECTION_INVALID = 0x804D_0000, "BadBrowseDirectionInvalid", "There is no such direction.";
    BAD_NO_MATCH = 0x806F_0000, "BadNoMatch", "Nothing has this name.";
    BAD_MAX_AGE_INVALID = 0x8070_0000, "BadMaxAgeInvalid", "This is no age.";
    BAD_HISTORY_OPERATION_INVALID = 0x8071_0000, "BadHistoryOperationInvalid", "The call's details or times make no sense.";
    BAD_HISTORY_OPERATION_UNSUPPORTED = 0x8072_0000, "BadHistoryOperationUnsupported", "The node has no history of this kind.";
    BAD_WRITE_NOT_SUPPORTED = 0x8073_0000, "BadWriteNotSupported", "Status or times cannot be written.";
    BAD_TYPE_MISMATCH = 0x8074_0000, "BadTypeMismatch", "The value is of another type.";
    BAD_METHOD_INVALID = 0x8075_0000, "BadMethodInvalid", "The object has no such method.";
    BAD_ARGUMENTS_MISSING = 0x8076_0000, "BadArgumentsMissing", "Arguments are missing.";
    BAD_TOO_MANY_SUBSCRIPTIONS = 0x8077_0000, "BadTooManySubscriptions", "The server has as many subscriptions as it allows.";
    BAD_NO_SUBSCRIPTION = 0x8079_0000, "BadNoSubscription", "There is no subscription.";
    BAD_SEQUENCE_NUMBER_UNKNOWN = 0x807A_0000, "BadSequenceNumberUnknown", "No such message waits for an acknowledgement.";
    BAD_MESSAGE_NOT_AVAILABLE = 0x807B_0000, "BadMessageNotAvailable", "The message cannot be sent again (any more).";
    BAD_DEADBAND_FILTER_INVALID = 0x808E_0000, "BadDeadbandFilterInvalid", "A dead-band needs a number, and in percent an EURange.";
    BAD_INVALID_ARGUMENT = 0x80AB_0000, "BadInvalidArgument", "An argument makes no sense.";
    BAD_RESPONSE_TOO_LARGE = 0x80B9_0000, "BadResponseTooLarge", "The answer would be larger than a message may be.";
    BAD_STATE_NOT_ACTIVE = 0x80BF_0000, "BadStateNotActive", "Not in this state.";
    BAD_TOO_MANY_MONITORED_ITEMS = 0x80DB_0000, "BadTooManyMonitoredItems", "As many monitored items as the server allows.";
    BAD_TOO_MANY_ARGUMENTS = 0x80E5_0000, "BadTooManyArguments", "More arguments than the method takes.";
    BAD_NOT_EXECUTABLE = 0x8111_0000, "BadNotExecutable", "The method cannot be called.";
}

impl StatusCode {
    /// The info bits of a value behind which others were dropped: info type DataValue (0x0400) and Overflow (0x0080).
    pub const OVERFLOW: u32 = 0x0480;

    /// How good it is. The fourth pattern of the two bits, which OPC UA reserves, counts as Bad.
    pub fn severity(self) -> Severity {
        match self.0 >> 30 {
            0 => Severity::Good,
            1 => Severity::Uncertain,
            _ => Severity::Bad,
        }
    }

    /// Whether it can be used without care.
    pub fn is_good(self) -> bool {
        self.severity() == Severity::Good
    }

    /// Whether it is not to be used.
    pub fn is_bad(self) -> bool {
        self.severity() == Severity::Bad
    }

    /// Whether values before this one were dropped. The bit means this only with the info type DataValue.
    pub fn has_overflow(self) -> bool {
        self.0 & 0x0C00 == 0x0400 && self.0 & 0x0080 != 0
    }

    /// The same code, saying that values before it were dropped.
    #[must_use]
    pub fn with_overflow(self) -> Self {
        Self(self.0 & !0x0C00 | Self::OVERFLOW)
    }

    /// The same code without its info bits.
    #[must_use]
    pub fn without_info(self) -> Self {
        Self(self.0 & 0xFFFF_0000)
    }
}

/// `BadNoCommunication (0x80310000)`, and the number alone for a code without a known name.
impl fmt::Display for StatusCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name} (0x{:08X})", self.0),
            None => write!(f, "0x{:08X}", self.0),
        }
    }
}

impl From<StatusCode> for u32 {
    fn from(code: StatusCode) -> u32 {
        code.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_says_what_it_is() {
        assert_eq!(StatusCode::BAD_NO_COMMUNICATION.to_string(), "BadNoCommunication (0x80310000)");
        assert_eq!(StatusCode::GOOD.with_overflow().0, 0x480);
        assert_eq!(StatusCode::GOOD.with_overflow().name(), Some("Good"));
        assert!(StatusCode::GOOD.with_overflow().has_overflow() && !StatusCode(0x80).has_overflow());
        assert_eq!(StatusCode(0x408F_0000).severity(), Severity::Uncertain);
        assert_eq!(StatusCode(0xC000_0000).severity(), Severity::Bad);
        assert_eq!(StatusCode(0x8999_0000).to_string(), "0x89990000");
    }

    #[test]
    fn no_two_codes_have_a_name_or_number_in_common() {
        let numbers: std::collections::BTreeSet<_> = StatusCode::KNOWN.iter().map(|code| code.0).collect();
        let names: std::collections::BTreeSet<_> = StatusCode::KNOWN.iter().map(|code| code.name()).collect();
        assert_eq!((numbers.len(), names.len()), (StatusCode::KNOWN.len(), StatusCode::KNOWN.len()));
    }
}
