//! What a broker's reason codes mean for the rows, and what an operator can do about them.

use rumqttc::v5::mqttbytes::v5::{ConnectReturnCode, PubAckReason};

/// What an acknowledgement means for the row it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The broker took it.
    Taken,
    /// The broker took it; nobody was subscribed.
    TakenByNobody,
    /// Not taken now: leave it first in line and try again after a while.
    Later(Refusal),
    /// Not taken until somebody mends something: hold the device's rows.
    Hold(Refusal),
    /// The broker says that the content itself is wrong: set the row aside.
    Poison(Refusal),
}

/// A refusal in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// The code's name and number.
    pub reason: &'static str,
    /// What an operator can do.
    pub remedy: &'static str,
}

/// What `reason` means.
pub fn verdict(reason: PubAckReason) -> Verdict {
    use PubAckReason as R;
    match reason {
        R::Success => Verdict::Taken,
        R::NoMatchingSubscribers => Verdict::TakenByNobody,
        R::UnspecifiedError => Verdict::Later(Refusal {
            reason: "unspecified error (0x80)",
            remedy: "see the broker's log; the row is sent again",
        }),
        R::ImplementationSpecificError => Verdict::Later(Refusal {
            reason: "implementation specific error (0x83)",
            remedy: "see the broker's log; the row is sent again",
        }),
        R::QuotaExceeded => Verdict::Later(Refusal {
            reason: "quota exceeded (0x97)",
            remedy: "raise the broker's quota or let its subscribers catch up; the row is sent again",
        }),
        // The identifiers are counted by the client and never reused while in use, so this is the broker's own
        // trouble; a later delivery gets another one.
        R::PacketIdentifierInUse => Verdict::Later(Refusal {
            reason: "packet identifier in use (0x91)",
            remedy: "see the broker's log; the row is sent again",
        }),
        R::NotAuthorized => Verdict::Hold(Refusal {
            reason: "not authorised (0x87)",
            remedy: "let this client publish to the device's topics in the broker's access list",
        }),
        R::TopicNameInvalid => Verdict::Hold(Refusal {
            reason: "topic name invalid (0x90)",
            remedy: "the broker does not accept the topic: change the topic root or the broker's rule",
        }),
        R::PayloadFormatInvalid => Verdict::Poison(Refusal {
            reason: "payload format invalid (0x99)",
            remedy: "see `instrumentd dead-letters list`",
        }),
    }
}

/// What a refused connection means.
pub fn refused_connection(code: ConnectReturnCode) -> Refusal {
    use ConnectReturnCode as C;
    let (reason, remedy) = match code {
        C::NotAuthorized => ("not authorised (0x87)", "check user, password file and the broker's access rules"),
        C::BadUserNamePassword => ("bad user name or password (0x86)", "check user and password file"),
        C::BadAuthenticationMethod => ("bad authentication method (0x8C)", "the broker asks for another method"),
        C::Banned => ("banned (0x8A)", "the broker's administrator has banned this client"),
        C::BadClientId | C::ClientIdentifierNotValid => {
            ("client identifier not valid (0x85)", "set another client_id for this broker")
        }
        C::RefusedProtocolVersion | C::UnsupportedProtocolVersion => {
            ("unsupported protocol version (0x84)", "the broker must speak MQTT 5; upgrade it or enable MQTT 5")
        }
        C::ServiceUnavailable | C::ServerUnavailable => ("server unavailable (0x88)", "wait, or see the broker's log"),
        C::ServerBusy => ("server busy (0x89)", "wait, or see the broker's log"),
        C::QuotaExceeded => ("quota exceeded (0x97)", "raise the broker's connection quota"),
        C::ConnectionRateExceeded => ("connection rate exceeded (0x9F)", "wait"),
        C::RetainNotSupported => ("retain not supported (0x9A)", "the will is sent without retain from now on"),
        C::QoSNotSupported => ("quality of service not supported (0x9B)", "the broker must allow QoS 1"),
        C::PacketTooLarge => ("packet too large (0x95)", "raise the broker's maximum packet size to 4 KiB or more"),
        C::TopicNameInvalid => ("topic name invalid (0x90)", "the broker refuses the will's topic: change the root"),
        C::PayloadFormatInvalid => ("payload format invalid (0x99)", "the broker refuses the will; see its log"),
        C::UseAnotherServer | C::ServerMoved => ("use another server (0x9C, 0x9D)", "change the broker's host"),
        C::MalformedPacket => ("malformed packet (0x81)", "see the broker's log"),
        C::ProtocolError => ("protocol error (0x82)", "see the broker's log"),
        C::ImplementationSpecificError => ("implementation specific error (0x83)", "see the broker's log"),
        C::Success | C::UnspecifiedError => ("unspecified error (0x80)", "see the broker's log"),
    };
    Refusal { reason, remedy }
}
