//! Errors as KFP answers them.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use kfp_api::status::{Code, Status};
use pipeline_engine::EngineError;
use serde_json::json;

/// A failed call: a code, the chain of causes, and its last link for people
/// (`UserError`, backend/src/common/util/error.go @2.17.0).
#[derive(Debug)]
pub(crate) struct ApiError {
    code: Code,
    chain: String,
    for_people: String,
}

impl ApiError {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            code,
            chain: message.clone(),
            for_people: message,
        }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(Code::InvalidArgument, message)
    }

    /// KFP knows no form of an id: whatever is asked for, there is nothing of that name.
    pub(crate) fn not_found(what: &str, id: &str) -> Self {
        Self::new(Code::NotFound, format!("{what} {id} not found"))
    }

    pub(crate) fn unimplemented(message: impl Into<String>) -> Self {
        Self::new(Code::Unimplemented, message)
    }

    /// What was being done when it happened; people are still shown what happened.
    pub(crate) fn while_doing(mut self, what: &str) -> Self {
        self.chain = format!("{what}: {}", self.chain);
        self
    }

    pub(crate) fn status(&self) -> Status {
        Status {
            message: self.chain.clone(),
            ..Status::new(self.code, self.for_people.clone())
        }
    }

    fn http_status(&self) -> StatusCode {
        StatusCode::from_u16(self.code.http_status()).expect("invariant: codes map to valid statuses")
    }

    /// In the shape of KFP's plain HTTP handlers: uploads and logs.
    pub(crate) fn plain(self) -> Response {
        let body = json!({ "error_message": self.for_people, "error_details": self.chain });
        (self.http_status(), Json(body)).into_response()
    }
}

impl From<EngineError> for ApiError {
    fn from(error: EngineError) -> Self {
        let code = match &error {
            EngineError::NotFound { .. } => Code::NotFound,
            EngineError::AlreadyExists { .. } => Code::AlreadyExists,
            EngineError::Spec(_)
            | EngineError::Unsupported(_)
            | EngineError::Parameter(_)
            | EngineError::Invalid(_) => Code::InvalidArgument,
            EngineError::Precondition(_) => Code::FailedPrecondition,
            EngineError::Closed => Code::Unavailable,
            _ => Code::Internal,
        };
        let told = Self::new(code, error.to_string());
        match code {
            // Paths and rows are for the log.
            Code::Internal => Self {
                for_people: "Internal Server Error".to_owned(),
                ..told
            },
            _ => told,
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        if self.code == Code::Internal {
            tracing::error!(error = self.chain, "call failed");
        }
        (self.http_status(), Json(self.status())).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_chained_and_people_see_the_last() {
        let error = ApiError::not_found("Run", "7").while_doing("Failed to get a run");
        assert_eq!(
            serde_json::to_value(error.status()).unwrap(),
            json!({
                "code": 5,
                "message": "Failed to get a run: Run 7 not found",
                "details": [{
                    "@type": "type.googleapis.com/google.rpc.Status",
                    "code": 5,
                    "message": "Run 7 not found"
                }]
            })
        );
    }
}
