//! Ids: UUIDs, a type for each thing they name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A text that is no id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no id: a UUID is expected")]
pub struct InvalidId(String);

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new one, by chance.
            pub fn random() -> Self {
                Self(Uuid::new_v4())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Uuid::parse_str(text).map(Self).map_err(|_| InvalidId(text.to_owned()))
            }
        }
    };
}

id!(
    /// Names a pipeline.
    PipelineId
);
id!(
    /// Names a version of a pipeline.
    VersionId
);
id!(
    /// Names an experiment.
    ExperimentId
);
id!(
    /// Names a run.
    RunId
);
id!(
    /// Names a recurring run.
    RecurringRunId
);
id!(
    /// Names a task of a run. It follows from the run and the place in it, so that it is known before the task is.
    TaskId
);
id!(
    /// Names an artifact. It follows from its URI.
    ArtifactId
);

impl RunId {
    /// The run of that recurring run for that time of its schedule: asking for it twice is asking once.
    pub fn scheduled(recurring: RecurringRunId, at: jiff::Timestamp) -> Self {
        Self(Uuid::new_v5(&recurring.0, at.as_second().to_string().as_bytes()))
    }
}

impl TaskId {
    /// The task of that run at that place: `root`, `root.train`, `root.for-loop-1.3.train`.
    pub fn of(run: RunId, scope_path: &str) -> Self {
        Self(Uuid::new_v5(&run.0, scope_path.as_bytes()))
    }
}

impl ArtifactId {
    /// The artifact of that URI.
    pub fn of(uri: &str) -> Self {
        Self(Uuid::new_v5(&Uuid::NAMESPACE_URL, uri.as_bytes()))
    }
}
