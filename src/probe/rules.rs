//! The rules of `docs/device-service.md` that can be seen from outside.

macro_rules! rules {
    ($($variant:ident = $name:literal, $text:literal, $remedy:literal;)*) => {
        /// A rule.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Rule { $(#[doc = $text] $variant,)* }

        impl Rule {
            /// All of them, in the order in which they are told.
            pub const ALL: &[Rule] = &[$(Rule::$variant,)*];

            /// Its short name.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What must hold.
            pub fn text(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// What to do where it does not.
            pub fn remedy(self) -> &'static str {
                match self { $(Self::$variant => $remedy,)* }
            }
        }
    };
}

rules! {
    Epoch = "epoch", "the server names its epoch, in 1 to 64 characters, the same in each call", "make a new UUID whenever the queues are gone, and keep it otherwise";
    Namespaces = "namespaces", "the first namespace is OPC UA's, the second the server's own URI", "put http://opcfoundation.org/UA/ and server_uri first";
    Identity = "identity", "a client without the token gets nothing", "check the authorization metadata of every call";
    Health = "health", "the standard health service says SERVING", "serve grpc.health.v1.Health";
    BrowseObjects = "browse-objects", "Browse of the Objects folder (i=85) gives the device", "let i=85 organise the device's object";
    BrowseUnknown = "browse-unknown", "Browse of a node that is not there is BadNodeIdUnknown, of no node id BadNodeIdInvalid", "answer for each node on its own, with its StatusCode";
    BrowsePages = "browse-pages", "with a limit Browse gives all references through continuation points", "give the rest through BrowseNext, none twice";
    BrowseOnce = "browse-once", "a continuation point can be used once", "forget it with its use; then BadContinuationPointInvalid";
    Types = "types", "variables tell their data type, and numbers with a unit their EUInformation", "fill in VariableDescription";
    Read = "read", "each readable variable has a value and a time, or a Bad status", "give source_timestamp where the source has one, else server_timestamp";
    ReadUnknown = "read-unknown", "Read of a node that is not there is BadNodeIdUnknown, of an attribute that it lacks BadAttributeIdInvalid", "answer for each node on its own, with its StatusCode";
    Stale = "stale", "while the instrument does not answer no variable of it has an old Good value", "set BadNoCommunication when the instrument is gone";
    Revised = "revised", "a subscription's terms are revised: lifetime at least three keep-alives, a number that is not 0, the epoch", "answer what holds";
    ItemRefused = "item-refused", "an item for a node that is not there is refused, and the subscription comes to be", "give each item a result of its own";
    Deadband = "dead-band", "a dead-band in percent without an EURange is BadDeadbandFilterInvalid", "check the filter when the item is made";
    First = "first-message", "the first message comes at once and has the value as it is", "queue the current value when the item is made";
    Numbers = "sequence-numbers", "sequence numbers begin with 1 and grow by one", "count notification messages, and nothing else";
    KeepAlive = "keep-alive", "without news a keep-alive comes in time, with the number to come", "send one after the keep-alive count of intervals";
    Republish = "republish", "Republish gives a message as it was", "keep messages as they were made";
    RepublishUnknown = "republish-unknown", "Republish of what is not kept is BadMessageNotAvailable, told in `opcua-status-code`", "put the StatusCode into the trailing metadata";
    Acknowledge = "acknowledge", "an acknowledged message is not kept; acknowledging it again is BadSequenceNumberUnknown", "drop it from the queue";
    Overflow = "overflow", "a full queue drops the oldest value and marks the next with the Overflow bits", "set the info bits 0x0480 on the value that is the oldest then";
    Transfer = "transfer", "a second stream ends the first with GoodSubscriptionTransferred", "tell it to the first stream, then go on in the second";
    Survives = "survives", "a subscription survives its connection, and its numbers go on", "keep subscriptions apart from connections";
    WrongEpoch = "wrong-epoch", "Publish with another epoch is BadSubscriptionIdInvalid", "compare the epoch before the number";
    Deleted = "deleted", "a deleted subscription is gone: BadSubscriptionIdInvalid", "forget it with its queues";
    Events = "events", "events of a notifier can be subscribed to; a field that none has is BadNoMatch", "give select_clause_results";
    History = "history", "events of a notifier can be read from history in the order of their times, page by page", "keep events, and read them by their field Time";
    Write = "write", "a named variable can be written what it has", "answer Write with Good, or say why not";
    Call = "call", "a named method answers, and says when arguments are missing", "answer Call with BadArgumentsMissing where some are";
}
