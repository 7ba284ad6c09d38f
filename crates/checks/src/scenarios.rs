//! Scenarios: what a change of exactly one thing makes run again, stated before anything happens.
//!
//! Each of [`ALL`] says which steps run and which hit the cache, and from which step on nobody can know before. [`play`]
//! makes the change, asks for the plan, runs, and compares the three with one another, and the state checks with what
//! each of them has to say here. Nothing here knows which rung it plays on: a [`Stage`] carries out what is asked, and
//! what the pipelines server can do is asked from it ([`Capabilities`]).

mod change;
mod compare;
mod demand;
mod expectation;
mod play;
mod render;
mod report;
mod table;

pub use change::{Basis, Change, Edit, History, Setting};
pub use expectation::{Does, Ending, Expectation};
pub use play::{Halt, Played, Stage, Start, play};
pub use render::{junit, line, markdown, verdict};
pub use report::{GateReport, ScenarioReport, StepCompared, Summed};
pub use table::{ALL, Needs, Scenario};

#[cfg(test)]
mod tests;
