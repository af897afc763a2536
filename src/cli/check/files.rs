//! Password, token, certificate and key files.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::surroundings::{Finding, Probe};
use crate::config::codes::Code;
use crate::config::file::{BrokerTable, GrpcTable};
use crate::config::reader::At;
use crate::config::values::FilePath;

/// What a file must hold.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Content {
    Password,
    Token,
    Certificate,
    Key,
}

pub(super) fn probes(table: &BrokerTable, folder: &Path) -> Vec<Probe> {
    let tls = table.tls.as_ref().map(|at| &at.value);
    let files: [(Option<&At<FilePath>>, &'static str, Content); 4] = [
        (table.password_file.as_ref(), "password", Content::Password),
        (tls.and_then(|tls| tls.ca_file.as_ref()), "authority's certificate", Content::Certificate),
        (tls.and_then(|tls| tls.cert_file.as_ref()), "client's certificate", Content::Certificate),
        (tls.and_then(|tls| tls.key_file.as_ref()), "client's key", Content::Key),
    ];
    probes_of(files, folder, "it is read at each connect; until it is there nothing is sent")
}

/// What is to be asked about the files of a service.
pub(super) fn of_service(table: &GrpcTable, folder: &Path) -> Vec<Probe> {
    let files: [(Option<&At<FilePath>>, &'static str, Content); 4] = [
        (table.token_file.as_ref(), "token", Content::Token),
        (table.ca.as_ref(), "authority's certificate", Content::Certificate),
        (table.certificate.as_ref(), "client's certificate", Content::Certificate),
        (table.key.as_ref(), "client's key", Content::Key),
    ];
    probes_of(files, folder, "it is read at each connect; until it is there the device is `disconnected`")
}

fn probes_of(
    files: [(Option<&At<FilePath>>, &'static str, Content); 4],
    folder: &Path,
    absent: &'static str,
) -> Vec<Probe> {
    let probe = |(at, what, content): (Option<&At<FilePath>>, &'static str, Content)| {
        let at = at?;
        let path = at.value.in_folder(folder);
        let message = format!("the file with the {what}, `{}`, does not answer", path.display());
        let silent = Finding::new(Code::FileUnusable, message, "is it on a network mount that is gone?");
        Some(Probe { place: at.span.clone(), ask: Box::new(move || ask(&path, what, content, absent)), silent })
    };
    files.into_iter().filter_map(probe).collect()
}

fn ask(path: &PathBuf, what: &str, content: Content, absent: &str) -> Vec<Finding> {
    let shown = path.display();
    let unusable = |why: String, help: &str| {
        vec![Finding::new(Code::FileUnusable, format!("the file with the {what}, `{shown}`, {why}"), help)]
    };
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return unusable("is not there".to_owned(), absent);
        }
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            return unusable(
                "cannot be read by this user".to_owned(),
                "the daemon's user must be able to; run `check` as that user to be sure",
            );
        }
        Err(error) => return unusable(format!("cannot be read: {error}"), "name a readable file"),
    };
    let holds = |marker: &str| bytes.windows(marker.len()).any(|window| window == marker.as_bytes());
    let fits = match content {
        Content::Password | Content::Token => !bytes.trim_ascii().is_empty(),
        Content::Certificate => holds("-----BEGIN CERTIFICATE-----"),
        Content::Key => holds("PRIVATE KEY-----"),
    };
    if !fits {
        return match content {
            Content::Password => unusable("is empty".to_owned(), "write the password alone into it"),
            Content::Token => unusable("is empty".to_owned(), "write the token alone into it"),
            Content::Certificate => unusable("holds no certificate".to_owned(), "a PEM file is needed"),
            Content::Key => unusable("holds no private key".to_owned(), "a PEM file is needed"),
        };
    }
    let is_secret = content != Content::Certificate;
    if is_secret && is_readable_by_all(path) {
        let message = format!("every user of this machine can read the {what} in `{shown}`");
        return vec![Finding::new(Code::FileExposed, message, format!("chmod 600 {shown}"))];
    }
    Vec::new()
}

#[cfg(unix)]
fn is_readable_by_all(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o004 != 0)
}

#[cfg(not(unix))]
fn is_readable_by_all(_: &Path) -> bool {
    false
}
