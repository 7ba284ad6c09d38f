//! Why there is nothing to judge.

use kfp_api::KfpError;

/// Why there is nothing to judge.
#[derive(Debug, thiserror::Error)]
pub enum ChecksError {
    /// The pipelines endpoint did not tell the run: unreachable, or no such run.
    #[error(transparent)]
    Pipelines(#[from] KfpError),
}
