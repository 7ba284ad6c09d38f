//! A row of the bench.

use std::fmt;

use serde::Serialize;

/// One measurement.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    /// Whose.
    pub(super) engine: String,
    /// Of what.
    pub(super) case: &'static str,
    /// How many tasks.
    pub(super) tasks: u32,
    /// From the call that starts them to the news that all have ended.
    pub(super) seconds: f64,
    /// Peak of the engine's largest process.
    pub(super) rss_mb: f64,
    /// Where calls were made meanwhile: what 99 of 100 took at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) api_p99_ms: Option<f64>,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let each = self.seconds * 1000.0 / f64::from(self.tasks);
        write!(
            f,
            "{:<14} {:<34} {:>6} tasks {:>8.2} s {each:>9.2} ms each {:>7.0} a second {:>5.0} MB",
            self.engine,
            self.case,
            self.tasks,
            self.seconds,
            1000.0 / each,
            self.rss_mb
        )?;
        match self.api_p99_ms {
            Some(p99) => write!(f, "  API p99 {p99:.1} ms"),
            None => Ok(()),
        }
    }
}
