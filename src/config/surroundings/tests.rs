use super::*;

/// The kinds of problems that are tested here.
pub(crate) const SEEN: [Code; 12] = [
    Code::JournalUnusable,
    Code::JournalOnNetwork,
    Code::FolderAbsent,
    Code::FolderUnreadable,
    Code::FolderSilent,
    Code::FolderNotMounted,
    Code::MountNotRequired,
    Code::NotifyOnNetwork,
    Code::FileUnusable,
    Code::FileExposed,
    Code::BrokerUnreachable,
    Code::SameFolder,
];
