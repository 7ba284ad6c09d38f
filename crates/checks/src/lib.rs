//! State checks: what must hold after any run of the recipe, on every rung. Read-only.
//!
//! [`run`] collects a [`World`] (the run, the registry, what is served, what a rerun would do) and judges it. Judging
//! is pure: a check is a function of the world, and each is shown in a test to fail on the breakage it is for. A check
//! that does not apply to a run says why; it is listed, never left out.
//!
//! [`scenarios`] change exactly one thing and compare what was stated, what was foretold and what happened.

mod artifacts;
mod collect;
mod error;
pub mod judge;
pub mod recipe;
mod render;
mod report;
pub mod scenarios;
mod world;

use endpoints::Endpoints;

pub use collect::collect;
pub use error::ChecksError;
pub use judge::judge;
pub use render::{junit, table};
pub use report::{Conclusion, Gate, Model, Outcome, Report, StepLine, Verdict};
pub use world::{Kept, Registered, RunFacts, Seen, Served, Unseen, World};

/// Looks at everything the run touched and judges it. Nothing is changed.
///
/// # Errors
/// [`ChecksError`] when the run itself cannot be read. Whatever else cannot be read fails the checks that need it.
pub async fn run(endpoints: &Endpoints, run_id: &str) -> Result<Report, ChecksError> {
    let world = Box::pin(collect(endpoints, run_id)).await?;
    Ok(Report::of(&world))
}
