//! The embedded rung: one daemon and the real services under it, on this machine, no container.

mod down;
mod status;
mod up;
mod watch;

pub use down::{DownReport, down};
pub use status::{Status, StatusRow, status};
pub use up::{Progress, UpReport, up};

use std::path::Path;

/// What a log ends with, for a message.
fn tail(log: &Path) -> String {
    const LINES: usize = 15;
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..]
        .iter()
        .map(|line| format!("  | {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}
