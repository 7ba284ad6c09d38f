//! The time, as finely as rows keep it.

use jiff::{Timestamp, Unit};

/// Now, to the microsecond: what is read back from a row is what was told.
pub(crate) fn now() -> Timestamp {
    let now = Timestamp::now();
    now.round(Unit::Microsecond).unwrap_or(now)
}
