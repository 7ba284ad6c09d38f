//! The harness: sets up, builds and calls the product's programs.
//!
//! Light on purpose: it is compiled before it can say what is missing, so it depends on nothing that takes a C compiler
//! or a minute.

mod bench;
mod clone;
mod command_line;
mod conformance;
mod doctor;
mod programs;
mod python;
mod set_up;
mod suites;

use std::process::ExitCode;

use command_line::Command;

fn main() -> ExitCode {
    match command_line::parse(std::env::args_os().skip(1)) {
        Ok(Command::Help) => {
            println!("{}", command_line::HELP);
            ExitCode::SUCCESS
        }
        Ok(Command::Doctor { json }) => doctor::command(json),
        Ok(Command::Platform(arguments)) => programs::platform_ctl(&arguments),
        Ok(Command::Conformance(arguments)) => conformance::command(&arguments),
        Ok(Command::Test(only)) => suites::command(&only),
        Ok(Command::Bench(what, flags)) => bench::command(what, &flags),
        Err(usage) => {
            eprintln!("{usage}\n\n{}", command_line::HELP);
            ExitCode::from(2)
        }
    }
}
