//! Runs a pipeline spec on one machine, durably: plan, schedule, launch, cache, record, resume.
//!
//! [`Engine::open`] recovers whatever an earlier engine on the same folders left: it attaches to attempts that still
//! run, reads what ended meanwhile, and goes on. A task that has ended is never run again.

mod beneath;
mod bind;
mod cache;
mod clock;
mod config;
mod decide;
mod difference;
mod engine;
mod error;
mod events;
mod follow;
mod layout;
mod model;
mod perform;
mod plan;
mod program;
mod quantity;
mod recurring;
mod rerun;
mod start;
mod store;

pub use clock::{Clock, ManualClock, SystemClock};
pub use config::{
    AtInstant, Capacity, Data, EngineConfig, EnvironmentError, EnvironmentSource, NoEnvironment,
};
pub use engine::{Engine, WithVersions};
pub use error::EngineError;
pub use events::{Event, Happening};
pub use model::*;
