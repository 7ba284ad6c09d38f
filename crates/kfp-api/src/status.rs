//! `google.rpc.Status`: how KFP says that something went wrong.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A canonical error code (`google/rpc/code.proto`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// No error.
    Ok,
    /// The caller gave up.
    Cancelled,
    /// Nothing more is known; also any number that is no code.
    Unknown,
    /// The request makes no sense, whatever the server's state.
    InvalidArgument,
    /// Too late.
    DeadlineExceeded,
    /// No such object, or no such path.
    NotFound,
    /// The name is taken.
    AlreadyExists,
    /// Known, and not allowed.
    PermissionDenied,
    /// A limit was reached.
    ResourceExhausted,
    /// The object is not in a state for this.
    FailedPrecondition,
    /// KFP's "bad request".
    Aborted,
    /// Past the end.
    OutOfRange,
    /// The server has no such method.
    Unimplemented,
    /// The server's fault.
    Internal,
    /// Try again later.
    Unavailable,
    /// Bytes are gone.
    DataLoss,
    /// Not known who is asking.
    Unauthenticated,
}

/// Number, code and HTTP status (grpc-gateway `runtime/errors.go`, `HTTPStatusFromCode` @v2).
const CODES: [(i32, Code, u16); 17] = [
    (0, Code::Ok, 200),
    (1, Code::Cancelled, 499),
    (2, Code::Unknown, 500),
    (3, Code::InvalidArgument, 400),
    (4, Code::DeadlineExceeded, 504),
    (5, Code::NotFound, 404),
    (6, Code::AlreadyExists, 409),
    (7, Code::PermissionDenied, 403),
    (8, Code::ResourceExhausted, 429),
    (9, Code::FailedPrecondition, 400),
    (10, Code::Aborted, 409),
    (11, Code::OutOfRange, 400),
    (12, Code::Unimplemented, 501),
    (13, Code::Internal, 500),
    (14, Code::Unavailable, 503),
    (15, Code::DataLoss, 500),
    (16, Code::Unauthenticated, 401),
];

impl Code {
    /// The code of a number; [`Code::Unknown`] when there is none.
    pub fn from_number(number: i32) -> Self {
        CODES
            .iter()
            .find(|row| row.0 == number)
            .map_or(Self::Unknown, |row| row.1)
    }

    /// Its number on the wire.
    pub fn number(self) -> i32 {
        self.row().0
    }

    /// The HTTP status it travels with.
    pub fn http_status(self) -> u16 {
        self.row().2
    }

    fn row(self) -> (i32, Self, u16) {
        *CODES
            .iter()
            .find(|row| row.1 == self)
            .expect("invariant: every code has a row")
    }
}

/// An error as an object: the body of every failed call, and the `error` of runs and tasks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Status {
    /// [`Code::number`].
    pub code: i32,
    /// For developers, in English: the whole chain of causes.
    pub message: String,
    /// Typed details; KFP puts a second `google.rpc.Status` here whose message is meant for people.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<Value>,
}

impl Status {
    /// A status whose message is also what people are shown.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        let message = message.into();
        let detail = serde_json::json!({
            "@type": "type.googleapis.com/google.rpc.Status",
            "code": code.number(),
            "message": message,
        });
        Self {
            code: code.number(),
            message,
            details: vec![detail],
        }
    }

    /// The code; [`Code::Unknown`] when the number is none.
    pub fn code(&self) -> Code {
        Code::from_number(self.code)
    }

    /// What to show a person: the inner message where KFP gives one.
    pub fn for_people(&self) -> &str {
        self.details
            .iter()
            .find_map(|detail| detail.get("message").and_then(Value::as_str))
            .filter(|message| !message.is_empty())
            .unwrap_or(&self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kfp_s_own_not_found_is_read() {
        // Shape of UserError::GRPCStatus (backend/src/common/util/error.go @2.17.0) through grpc-gateway v2.
        let body = r#"{"code":5,"message":"Failed to get a run: ResourceNotFoundError: Run 7 not found",
            "details":[{"@type":"type.googleapis.com/google.rpc.Status","code":5,"message":"Run 7 not found"}]}"#;
        let status: Status = serde_json::from_str(body).unwrap();
        assert_eq!(status.code(), Code::NotFound);
        assert_eq!(status.code().http_status(), 404);
        assert_eq!(status.for_people(), "Run 7 not found");
    }

    #[test]
    fn a_number_that_is_no_code_is_unknown() {
        assert_eq!(Code::from_number(99), Code::Unknown);
    }
}
