//! KFP pipeline IR 2.1 as types and rules: parsing with positions, validation, placeholders, conditions.
//!
//! ```
//! # let text = include_str!("../tests/spec/packages/hello.yaml");
//! use pipeline_spec::{Limits, Pipeline};
//!
//! let pipeline = Pipeline::parse(text, &Limits::default())?;
//! assert_eq!(pipeline.name(), "hello");
//! # Ok::<(), pipeline_spec::SpecError>(())
//! ```

mod error;
pub mod expression;
pub mod ir;
mod limits;
mod parameter;
mod pipeline;
pub mod placeholder;
mod position;
mod stack;
pub mod support;
mod task_io;
mod tree;
mod validate;

pub use error::{Problem, SpecError};
pub use limits::Limits;
pub use parameter::{ParameterError, admit, bind_parameters, canonical, coerce, from_text, to_text};
pub use pipeline::Pipeline;
pub use position::{Path, Position, Step};
pub use task_io::{
    ArtifactList, ExecutorInput, ExecutorOutput, Inputs, InvalidOutput, OutputParameter, Outputs,
    RuntimeArtifact,
};
