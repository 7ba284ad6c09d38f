//! What can go wrong between this client and a pipelines server.

use crate::status::{Code, Status};

/// Which call, about which object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// KFP's name of the call, for example `GetRun`.
    pub operation: &'static str,
    /// The object, for example `run 6f0c…`.
    pub object: String,
}

impl std::fmt::Display for Call {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "pipelines: {} {}", self.operation, self.object)
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum KfpError {
    /// The base URL is not `http://…` or `https://…`.
    #[error("pipelines URL {url}: not an http or https URL")]
    Url {
        /// What was given.
        url: String,
    },
    /// No connection, or it broke.
    #[error("{call}: no answer from {}: {}", address(error), innermost(error))]
    Unreachable {
        /// The call.
        call: Call,
        /// What the network said, with the URL.
        error: reqwest::Error,
    },
    /// The server answered with an error.
    #[error("{call}: {} (HTTP {http_status})", status.for_people())]
    Refused {
        /// The call.
        call: Call,
        /// HTTP status.
        http_status: u16,
        /// What the server said.
        status: Status,
    },
    /// The answer is not KFP's.
    #[error("{call}: unexpected answer (HTTP {http_status}): {reason}")]
    Malformed {
        /// The call.
        call: Call,
        /// HTTP status.
        http_status: u16,
        /// What the parser said, or the first line of the answer.
        reason: String,
    },
    /// The server does not have this call.
    #[error("{call}: this server does not speak it")]
    NotSpoken {
        /// The call.
        call: Call,
    },
}

impl KfpError {
    /// Whether the server said that the object does not exist.
    pub fn is_not_found(&self) -> bool {
        self.has_code(Code::NotFound)
    }

    /// Whether the server said that the name is taken.
    pub fn is_conflict(&self) -> bool {
        self.has_code(Code::AlreadyExists)
    }

    fn has_code(&self, code: Code) -> bool {
        matches!(self, Self::Refused { status, .. } if status.code() == code)
    }
}

fn address(error: &reqwest::Error) -> &str {
    error.url().map_or("the server", |url| url.as_str())
}

/// The message of the first cause: reqwest's own says only that sending failed.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
