//! What a client is told when something is refused: Kubernetes' Status, with its codes, reasons and words
//! (`apimachinery/pkg/api/errors/errors.go`).

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use resources::FieldError;
use serde_json::{Value, json};

use crate::fields::Conflict;
use crate::kinds::Kind;
use crate::store::StoreError;

/// A refusal.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Failure {
    code: StatusCode,
    reason: &'static str,
    message: String,
    details: Value,
}

impl Failure {
    fn new(code: StatusCode, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            reason,
            message: message.into(),
            details: Value::Null,
        }
    }

    /// With the object it is about.
    fn about(mut self, kind: &Kind, name: &str) -> Self {
        self.details = json!({ "name": name, "group": kind.group(), "kind": kind.plural() });
        if kind.group().is_empty() {
            self.details
                .as_object_mut()
                .expect("invariant: details are an object")
                .shift_remove("group");
        }
        self
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    pub(crate) fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "Unauthorized", "Unauthorized")
    }

    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "Forbidden", message)
    }

    /// A path, a kind or a subresource that is not served here.
    pub(crate) fn no_such_path(what: &str) -> Self {
        let message = format!("the server could not find the requested resource: {what} is not served here");
        Self::new(StatusCode::NOT_FOUND, "NotFound", message)
    }

    pub(crate) fn not_found(kind: &Kind, name: &str) -> Self {
        let message = format!("{} {name:?} not found", kind.resource_name());
        Self::new(StatusCode::NOT_FOUND, "NotFound", message).about(kind, name)
    }

    pub(crate) fn method_not_allowed(what: &str) -> Self {
        let message = format!("the server does not allow this method on the requested resource: {what}");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message)
    }

    pub(crate) fn unsupported_media_type(found: &str, accepted: &[&str]) -> Self {
        let message = format!(
            "the body of the request was in an unknown format ({found}) - accepted media types include: {}",
            accepted.join(", ")
        );
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "UnsupportedMediaType",
            message,
        )
    }

    pub(crate) fn not_acceptable(accepted: &str) -> Self {
        let message = format!("only the following media types are accepted: {accepted}");
        Self::new(StatusCode::NOT_ACCEPTABLE, "NotAcceptable", message)
    }

    pub(crate) fn too_large(limit: usize) -> Self {
        let message = format!("Request entity too large: limit is {limit}");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", message)
    }

    pub(crate) fn already_exists(kind: &Kind, name: &str) -> Self {
        let message = format!("{} {name:?} already exists", kind.resource_name());
        Self::new(StatusCode::CONFLICT, "AlreadyExists", message).about(kind, name)
    }

    pub(crate) fn conflict(kind: &Kind, name: &str, why: &str) -> Self {
        let message = format!(
            "Operation cannot be fulfilled on {} {name:?}: {why}",
            kind.resource_name()
        );
        Self::new(StatusCode::CONFLICT, "Conflict", message).about(kind, name)
    }

    /// The object has another version than the client thinks.
    pub(crate) fn stale(kind: &Kind, name: &str) -> Self {
        let why =
            "the object has been modified; please apply your changes to the latest version and try again";
        Self::conflict(kind, name, why)
    }

    /// Server-side apply met other managers.
    pub(crate) fn owned_by_others(conflicts: &[Conflict]) -> Self {
        let told = |conflict: &Conflict| {
            let manager = &conflict.manager;
            let subresource = match manager.subresource.as_str() {
                "" => String::new(),
                name => format!(" with subresource {name:?}"),
            };
            format!(
                "conflict with {:?}{subresource} using {}",
                manager.name, manager.api_version
            )
        };
        let noun = if conflicts.len() == 1 {
            "conflict"
        } else {
            "conflicts"
        };
        let lines: Vec<_> = conflicts
            .iter()
            .map(|conflict| format!("{}: {}", told(conflict), conflict.field))
            .collect();
        let message = match lines.as_slice() {
            [line] => format!("Apply failed with 1 {noun}: {line}"),
            lines => format!(
                "Apply failed with {} {noun}:\n- {}",
                lines.len(),
                lines.join("\n- ")
            ),
        };
        let causes: Vec<_> = conflicts
            .iter()
            .map(|conflict| {
                json!({ "reason": "FieldManagerConflict", "message": told(conflict), "field": conflict.field })
            })
            .collect();
        let mut failure = Self::new(StatusCode::CONFLICT, "Conflict", message);
        failure.details = json!({ "causes": causes });
        failure
    }

    /// The object breaks rules; each is named by its field.
    pub(crate) fn invalid(kind: &Kind, name: &str, errors: &[FieldError]) -> Self {
        let group = kind.group();
        let qualified = if group.is_empty() {
            kind.kind().to_owned()
        } else {
            format!("{}.{group}", kind.kind())
        };
        let lines: Vec<_> = errors.iter().map(ToString::to_string).collect();
        let told = match lines.as_slice() {
            [line] => line.clone(),
            lines => format!("[{}]", lines.join(", ")),
        };
        let message = format!("{qualified} {name:?} is invalid: {told}");
        let causes: Vec<_> = errors
            .iter()
            .map(|error| json!({ "reason": "FieldValueInvalid", "message": error.reason, "field": error.field }))
            .collect();
        let mut failure = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", message);
        failure.details = json!({ "name": name, "group": group, "kind": kind.kind(), "causes": causes });
        failure
    }

    /// A version that has fallen out of the log.
    pub(crate) fn expired(message: impl Into<String>) -> Self {
        Self::new(StatusCode::GONE, "Expired", message)
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", message)
    }

    /// The Status object.
    pub(crate) fn to_status(&self) -> Value {
        let mut status = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "code": self.code.as_u16(),
        });
        if !self.details.is_null() {
            status["details"] = self.details.clone();
        }
        status
    }

    #[cfg(test)]
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    #[cfg(test)]
    pub(crate) fn code(&self) -> u16 {
        self.code.as_u16()
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.code, Json(self.to_status())).into_response()
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Expired { .. } => Self::expired(error.to_string()),
            other => {
                tracing::error!(error = %other, "the store failed");
                Self::internal(other.to_string())
            }
        }
    }
}
