//! What went wrong, on which object, and what to type next.

use std::fmt;

use model_registry::{RegistryError, provenance};
use serving::ServingError;

/// What to do next, carried as an error's context.
#[derive(Debug)]
pub(crate) struct Next(String);

impl Next {
    pub(crate) fn new(advice: impl Into<String>) -> Self {
        Self(advice.into())
    }

    pub(crate) fn command(command: impl fmt::Display) -> Self {
        Self(format!("`{command}`"))
    }
}

impl fmt::Display for Next {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The error as it is printed: the causes in one line, then the next step.
pub(crate) fn told(error: &anyhow::Error) -> String {
    let next = error.downcast_ref::<Next>();
    let mut causes = String::new();
    for cause in error.chain().map(ToString::to_string) {
        // An error that shows its source shows it once.
        let shown = causes.contains(&cause) || next.is_some_and(|next| next.0 == cause);
        if !shown {
            causes.push_str(if causes.is_empty() { "" } else { ": " });
            causes.push_str(&cause);
        }
    }
    let mut text = format!("error: {causes}\n");
    if let Some(next) = next {
        text.push_str(&format!("next: {next}\n"));
    }
    text
}

/// What to do about a registry's error.
pub(crate) fn after_registry(error: RegistryError, tracking_uri: &str) -> anyhow::Error {
    let next = match &error {
        RegistryError::Unreachable { .. } => Next::command("cargo xtask status"),
        RegistryError::Refused { object, .. } if object.starts_with(provenance::GOLDEN_REQUESTS) => {
            Next::new("deploy a version that `cargo xtask recipe train-deploy` registered")
        }
        error if error.is_absence() => Next::new(format!("see what is registered: {tracking_uri}/#/models")),
        _ => Next::command("cargo xtask status"),
    };
    anyhow::Error::new(error).context(next)
}

/// What to do about a deployment's error.
pub(crate) fn after_serving(error: ServingError, model: &str) -> anyhow::Error {
    let next = match &error {
        ServingError::Connect { .. } | ServingError::Api { .. } | ServingError::Silent { .. } => {
            Next::command("cargo xtask status")
        }
        ServingError::NoRuntime { .. } | ServingError::UnusableRuntime { .. } => {
            Next::new("`cargo xtask recipe train-deploy` applies the runtime of its image")
        }
        ServingError::Foreign { object, .. } => Next::command(format!(
            "kubectl delete {} --namespace {} {}",
            object.kind.to_lowercase(),
            object.namespace.as_deref().unwrap_or("default"),
            object.name
        )),
        ServingError::Name { .. } => Next::new("register the model under such a name"),
        ServingError::StorageUri { .. } => Next::new("register files that lie in the artifact store itself"),
        ServingError::NotReady { .. } | ServingError::Failed { .. } | ServingError::Golden { .. } => {
            Next::command(format!("cargo mlship status --model {model}"))
        }
    };
    anyhow::Error::new(error).context(next)
}
