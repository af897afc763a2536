//! Who has a port open, as far as this user may see.

use std::path::Path;

/// The other processes that have `port` open, as `name (process 123)`; empty where there are none, or where this user
/// cannot look into others' open files.
pub fn holders(port: &Path, proc: &Path) -> Vec<String> {
    let Ok(port) = port.canonicalize() else { return Vec::new() };
    let own = std::process::id().to_string();
    let mut found = Vec::new();
    for process in std::fs::read_dir(proc).into_iter().flatten().flatten() {
        let name = process.file_name();
        let Some(number) = name.to_str().filter(|name| name.bytes().all(|b| b.is_ascii_digit()) && *name != own) else {
            continue;
        };
        let files = std::fs::read_dir(process.path().join("fd")).into_iter().flatten().flatten();
        let holds = |file: std::fs::DirEntry| std::fs::read_link(file.path()).is_ok_and(|target| target == port);
        if files.into_iter().any(holds) {
            let program = std::fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            let program = program.trim().chars().filter(|c| !c.is_control()).collect::<String>();
            found.push(match program.is_empty() {
                true => format!("process {number}"),
                false => format!("{program} (process {number})"),
            });
        }
    }
    found.sort();
    found
}
