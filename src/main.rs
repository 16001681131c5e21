//! The chat program: see `veche --help`.

use std::env;
use std::io::{self, Write};
use std::process::ExitCode;

fn main() -> ExitCode {
    match veche::program::run(env::args_os(), |name| env::var_os(name)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Whoever has closed standard error does not want to know.
            let _ = writeln!(io::stderr(), "{failure}");
            ExitCode::from(failure.status())
        }
    }
}
