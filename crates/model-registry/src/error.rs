//! What can go wrong at the registry.

use std::fmt;

/// MLflow's own word for why it refused (`mlflow/protos/databricks.proto` @v3.17.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    /// No such model, version or file.
    ResourceDoesNotExist,
    /// The name is taken.
    ResourceAlreadyExists,
    /// The request makes no sense to MLflow; an unknown alias comes as this too.
    InvalidParameterValue,
    /// Not allowed.
    PermissionDenied,
    /// Any other code, as MLflow wrote it.
    Other(String),
}

impl From<String> for ErrorCode {
    fn from(code: String) -> Self {
        match code.as_str() {
            "RESOURCE_DOES_NOT_EXIST" => Self::ResourceDoesNotExist,
            "RESOURCE_ALREADY_EXISTS" => Self::ResourceAlreadyExists,
            "INVALID_PARAMETER_VALUE" => Self::InvalidParameterValue,
            "PERMISSION_DENIED" => Self::PermissionDenied,
            _ => Self::Other(code),
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::ResourceDoesNotExist => "RESOURCE_DOES_NOT_EXIST",
            Self::ResourceAlreadyExists => "RESOURCE_ALREADY_EXISTS",
            Self::InvalidParameterValue => "INVALID_PARAMETER_VALUE",
            Self::PermissionDenied => "PERMISSION_DENIED",
            Self::Other(code) => code,
        })
    }
}

/// Why the registry gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The tracking URI is not an `http` or `https` URL.
    #[error("registry {uri}: not an http or https URL")]
    TrackingUri {
        /// What was given.
        uri: String,
    },
    /// No connection, or it broke.
    #[error("registry: {operation} {object}: {source}")]
    Unreachable {
        /// MLflow's name of the call.
        operation: &'static str,
        /// Which model, version or alias.
        object: String,
        /// What the network said, with the URL.
        source: reqwest::Error,
    },
    /// MLflow answered with an error.
    #[error("registry: {operation} {object}: {code}: {message}")]
    Refused {
        /// MLflow's name of the call.
        operation: &'static str,
        /// Which model, version or alias.
        object: String,
        /// MLflow's `error_code`.
        code: ErrorCode,
        /// MLflow's message.
        message: String,
    },
    /// The answer is not MLflow's.
    #[error("registry: {operation} {object}: unexpected answer (HTTP {status}): {reason}")]
    Malformed {
        /// MLflow's name of the call.
        operation: &'static str,
        /// Which model, version or alias.
        object: String,
        /// HTTP status.
        status: u16,
        /// What the parser said, or the first line of the answer.
        reason: String,
    },
    /// The model has no such alias.
    #[error("registry: model {model} has no alias {alias}; it has: {known}")]
    NoAlias {
        /// Which model.
        model: String,
        /// Which alias.
        alias: String,
        /// The aliases it has, comma-separated, or `none`.
        known: String,
    },
    /// A filter value that MLflow's filter language cannot hold: both kinds of quotes, or a backtick in a key.
    #[error("registry: `{value}` cannot be written in an MLflow filter")]
    Filter {
        /// The value or key.
        value: String,
    },
}

impl RegistryError {
    /// Whether MLflow said that the object does not exist.
    pub fn is_absence(&self) -> bool {
        matches!(
            self,
            Self::NoAlias { .. }
                | Self::Refused {
                    code: ErrorCode::ResourceDoesNotExist,
                    ..
                }
        )
    }
}
