//! The chat program: exit codes, and nothing else.

use std::env;
use std::process::ExitCode;

use veche::program;

fn main() -> ExitCode {
    let arguments = env::args_os().skip(1);
    match program::run(arguments, |name| env::var_os(name)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            program::complain(&error);
            ExitCode::from(match error {
                program::Error::Usage(_) => USAGE,
                _ => RUNTIME,
            })
        }
    }
}

/// What was asked for could not be done.
const RUNTIME: u8 = 1;

/// What was asked for is not understood.
const USAGE: u8 = 2;
