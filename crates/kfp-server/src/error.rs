//! Errors as KFP answers them.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use kfp_api::status::{Code, Status};
use pipeline_engine::EngineError;
use schemars::JsonSchema;
use serde::Serialize;

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

    /// KFP answers it with 501, as if the server had broken (grpc-gateway's `DefaultRoutingErrorHandler`); code and words
    /// are its, the HTTP status is what RFC 9110 has for it.
    pub(crate) fn no_such_method() -> Self {
        Self::new(Code::Unimplemented, "Method Not Allowed")
    }

    /// KFP knows no form of an id: whatever is asked for, there is nothing of that name.
    pub(crate) fn not_found(what: &str, id: &str) -> Self {
        Self::new(Code::NotFound, format!("{what} {id} not found"))
    }

    /// What was being done when it happened; people are still shown what happened.
    pub(crate) fn while_doing(mut self, what: &str) -> Self {
        self.chain = format!("{what}: {}", self.chain);
        self
    }

    /// The chain as callers see it: of what went wrong within, paths and rows are for the log.
    fn shown_chain(&self) -> &str {
        match self.code {
            Code::Internal => &self.for_people,
            _ => &self.chain,
        }
    }

    fn log(&self) {
        if self.code == Code::Internal {
            tracing::error!(error = self.chain, "call failed");
        }
    }

    pub(crate) fn status(&self) -> Status {
        Status {
            message: self.shown_chain().to_owned(),
            ..Status::new(self.code, self.for_people.clone())
        }
    }

    fn http_status(&self) -> StatusCode {
        if self.code == Code::Unimplemented {
            return StatusCode::METHOD_NOT_ALLOWED;
        }
        StatusCode::from_u16(self.code.http_status()).expect("invariant: codes map to valid statuses")
    }

    /// In the shape of KFP's plain HTTP handlers: uploads and logs.
    pub(crate) fn plain(self) -> Response {
        self.log();
        let body = PlainError {
            error_details: self.shown_chain().to_owned(),
            error_message: self.for_people.clone(),
        };
        (self.http_status(), Json(body)).into_response()
    }
}

/// A failure as KFP's plain HTTP handlers tell it: uploads, logs, artifacts.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct PlainError {
    /// What happened.
    error_message: String,
    /// The chain of causes.
    error_details: String,
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
        self.log();
        (self.http_status(), Json(self.status())).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

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

    #[test]
    fn what_went_wrong_within_is_not_told() {
        let error = ApiError::from(EngineError::Corrupt {
            what: "a row of /home/ada",
            source: serde_json::from_str::<u8>("x").unwrap_err(),
        });
        let told = serde_json::to_string(&error.while_doing("Failed to get a run").status()).unwrap();
        assert!(!told.contains("/home/ada"), "{told}");
        assert!(told.contains("Internal Server Error"), "{told}");
    }
}
