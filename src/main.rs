//! The command line of instrumentd; everything it does is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    instrumentd::cli::main()
}
