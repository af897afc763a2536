//! The kinds of problems: each has a code, a severity and an explanation, and `docs/configuration.md` lists them all.

/// Whether a problem stops the daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// What would be recorded, kept or delivered is not what the file says or means: the daemon does not start, and
    /// goes on with its old configuration on a reload.
    Error,
    /// Said, and that is all.
    Warning,
}

impl Severity {
    /// `error` or `warning`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal, $severity:ident;)*) => {
        /// What kind of problem.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $($(#[doc = $doc])+ $variant,)* }

        impl Code {
            /// All there are.
            pub const ALL: &[Code] = &[$(Code::$variant,)*];

            /// The short name, as it is printed.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Whether it stops the daemon.
            pub fn severity(self) -> Severity {
                match self { $(Self::$variant => Severity::$severity,)* }
            }

            /// What it means, in a sentence.
            pub fn explanation(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+).trim_ascii(),)* }
            }
        }
    };
}

codes! {
    /// The file, or the folder of profiles, cannot be read.
    Unreadable = "unreadable", Error;
    /// The file is not UTF-8 text.
    NotUtf8 = "not-utf8", Error;
    /// The text is not TOML.
    Syntax = "syntax", Error;
    /// A key, table or device is defined twice.
    DuplicateKey = "duplicate-key", Error;
    /// A value has the wrong type: a number for a text, a text for a table.
    WrongType = "wrong-type", Error;
    /// A key or table is unknown: anywhere but in `[log]` where it is nearly a known one, and in every table but `[log]` and the topmost level otherwise.
    UnknownKey = "unknown-key", Error;
    /// A key or table is unknown: in `[log]`, or at the topmost level where it is like no known one.
    IgnoredKey = "ignored-key", Warning;
    /// The value of `location`, `log` or `filter` cannot be used; it is left out, since nothing that is recorded depends on it.
    IgnoredValue = "ignored-value", Warning;
    /// A key that has no default is not given.
    MissingKey = "missing-key", Error;
    /// A text is empty, too long, or holds characters that are not allowed there.
    BadText = "bad-text", Error;
    /// An id or name does not match `[a-z0-9][a-z0-9-]{0,62}`.
    BadName = "bad-name", Error;
    /// A device has the reserved id `lineage`.
    ReservedName = "reserved-name", Error;
    /// No profile has this name.
    UnknownProfile = "unknown-profile", Error;
    /// A name that stands for something else, a type of labware, a liquid class, a device, is not defined.
    UnknownName = "unknown-name", Error;
    /// A key, table or link means nothing for instruments of this family.
    WrongFamily = "wrong-family", Error;
    /// A device has no link, or several, where it needs exactly one.
    OneLink = "one-link", Error;
    /// A line is named in no way, or in two.
    OnePort = "one-port", Error;
    /// Host mode without `sole_host = true`, or with what only a tap has; or a tap with what only a host has.
    BadMode = "bad-mode", Error;
    /// Two devices, or the two directions of one, name the same line.
    SamePort = "same-port", Error;
    /// What stands on a deck contradicts itself: two things in one place, a culture without its device.
    BadDeck = "bad-deck", Error;
    /// The value is none of those that the key can have.
    BadChoice = "bad-choice", Error;
    /// A number, duration or size is too small or too large, or the ends of a range are the wrong way round.
    OutOfRange = "out-of-range", Error;
    /// A duration is not written as a number with `ms`, `s`, `m`, `h` or `d`.
    BadDuration = "bad-duration", Error;
    /// A size is not written as a number with `kB`, `MB`, `GB`, `TB` (or `KiB` … `TiB`).
    BadSize = "bad-size", Error;
    /// The time zone is not one of the IANA database.
    BadTimeZone = "bad-time-zone", Error;
    /// A date is not one.
    BadDate = "bad-date", Error;
    /// A path cannot be meant as it stands: `~`, a variable, or a Windows share.
    BadPath = "bad-path", Error;
    /// A broker's host is written as a URL or with its port; or an endpoint is none.
    BadHost = "bad-host", Error;
    /// A topic root or response prefix is not one: a wildcard, a `$` or slash at its start, an empty level.
    BadTopic = "bad-topic", Error;
    /// A plate's wells are no wells, or lie outside its rows and columns.
    BadPlate = "bad-plate", Error;
    /// A password stands in the file itself.
    PasswordInClear = "password-in-clear", Error;
    /// A password file without a user.
    IncompleteLogin = "incomplete-login", Error;
    /// A user without a password file: the broker gets an empty password.
    NoPassword = "no-password", Warning;
    /// A client certificate without its key, or a key without its certificate; a service with TLS whose authority is not named; or what belongs to TLS without TLS.
    IncompleteTls = "incomplete-tls", Error;
    /// A broker on another machine, or a service, is reached without TLS, and nobody said that this is meant; or it is said, and TLS is used.
    Plaintext = "plaintext", Error;
    /// Two connections to one broker have the same client id: each would throw the other out.
    SameClientId = "same-client-id", Error;
    /// Two devices watch the same folder, or one a folder within the other's: each run would be recorded twice.
    SameFolder = "same-folder", Error;
    /// A watched folder holds the journal.
    FolderHoldsJournal = "folder-holds-journal", Error;
    /// There is no device: nothing would be recorded.
    NoDevices = "no-devices", Error;
    /// The journal knows a device that the configuration does not have: renamed by mistake, or to be retired.
    DeviceMissing = "device-missing", Error;
    /// The journal cannot be opened or made where the configuration says, by the user who asks.
    JournalUnusable = "journal-unusable", Error;
    /// There is no broker: events are recorded and published nowhere.
    NoBrokers = "no-brokers", Warning;
    /// The log filter cannot be understood; `info` is used.
    BadFilter = "bad-filter", Warning;
    /// A broker's port is the usual one for TLS without TLS, or the other way round.
    OddPort = "odd-port", Warning;
    /// Backfill begins in the future: nothing that is there now will be published.
    FutureBackfill = "future-backfill", Warning;
    /// The journal lies on a network file system, where locks and power failures are not what SQLite needs.
    JournalOnNetwork = "journal-on-network", Warning;
    /// A watched folder is not there; the device stays `disconnected` until it is.
    FolderAbsent = "folder-absent", Warning;
    /// A watched folder cannot be read by this user.
    FolderUnreadable = "folder-unreadable", Warning;
    /// A watched folder does not answer, as a dead network mount does.
    FolderSilent = "folder-silent", Warning;
    /// A folder that must lie on a mount of its own does not: it is not mounted now.
    FolderNotMounted = "folder-not-mounted", Warning;
    /// A watched folder lies on a network mount and `require_mount` is off: without the mount it would look empty.
    MountNotRequired = "mount-not-required", Warning;
    /// A watched folder lies on a network mount and `watch` is `notify`: what other machines write is not noticed.
    NotifyOnNetwork = "notify-on-network", Warning;
    /// A serial port, a USB adapter or a trace file is not there; the device stays `disconnected` until it is.
    LineAbsent = "line-absent", Warning;
    /// A line cannot be used as it is: it may not be opened, is in use, is no serial port, or its server does not answer.
    LineUnusable = "line-unusable", Warning;
    /// A password, token, certificate, key or worklist file, or the folder for recordings, is not there, cannot be used by this user,
    /// or holds nothing usable.
    FileUnusable = "file-unusable", Warning;
    /// A password, token or key file can be read by every user of this machine.
    FileExposed = "file-exposed", Warning;
    /// The broker's port cannot be reached from here now.
    BrokerUnreachable = "broker-unreachable", Warning;
    /// A device's service cannot be reached from here now, or its TLS is not what the configuration says.
    ServiceUnreachable = "service-unreachable", Warning;
}
