//! Results on stdout. Whoever reads them may stop early: that is no failure.

use std::io::{self, Write};

use serde::Serialize;

use crate::failure::Failure;

/// Writes text for people.
pub(crate) fn text(text: &str) -> Result<(), Failure> {
    bytes(text.as_bytes()).map(drop)
}

/// Writes one object for machines.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Failure> {
    let mut line = serde_json::to_string(value).expect("invariant: plain data with string keys");
    line.push('\n');
    text(&line)
}

/// Whether anybody still reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    Listens,
    Gone,
}

/// Writes bytes as they are.
pub(crate) fn bytes(bytes: &[u8]) -> Result<Reader, Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(Reader::Listens),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Reader::Gone),
        Err(error) => Err(Failure::new(format!("standard output: {error}"))),
    }
}
