//! Recurring runs: the times of their schedules, and asking for runs at them.
//!
//! [`due::step`] decides from a row and the time; [`serve`] carries it out. A run that is asked for, and the time it is
//! for, become durable in one commit, before the run begins; the run's id follows from the two.

mod due;
mod pattern;
mod serve;

pub(crate) use due::{Step, step};
pub(crate) use pattern::Pattern;
pub(crate) use serve::serve;
