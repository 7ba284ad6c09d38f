//! The client: one method a call, typed errors that name the object.

mod additions;
mod cache;
mod experiments;
mod logs;
mod pipelines;
mod recurring;
mod runs;
mod steps;

use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt;
use reqwest::{Method, RequestBuilder, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::{Host, Url};

use self::steps::Dialect;
use crate::error::{Call, KfpError};
use crate::status::{Code, Status};

/// How long the server may be silent: KFP on a busy cluster takes seconds.
const SILENCE: Duration = Duration::from_secs(60);
/// Objects a page of a list; KFP gives at most 200.
const PAGE: &str = "200";
/// Bytes of an error's body that are read.
const ERROR_BODY: usize = 64 * 1024;

/// A client of one KFP API server. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    token: Option<String>,
    /// What was learned of the server's dialect.
    dialect: Arc<Dialect>,
}

/// The shapes of KFP's error bodies: grpc-gateway's, and that of the plain HTTP handlers (uploads, logs).
#[derive(Default, Deserialize)]
#[serde(default)]
struct ErrorBody {
    code: Option<i32>,
    message: String,
    error: String,
    error_message: String,
    details: Vec<Value>,
}

impl Client {
    /// A client of the server at a base URL without a path, for example `http://127.0.0.1:8888`. Nothing is sent yet.
    ///
    /// # Errors
    /// [`KfpError::Url`].
    pub fn new(url: &str, token: Option<String>) -> Result<Self, KfpError> {
        let refusal = || KfpError::Url { url: url.to_owned() };
        let base = Url::parse(&format!("{}/", url.trim_end_matches('/'))).map_err(|_| refusal())?;
        if !matches!(base.scheme(), "http" | "https") {
            return Err(refusal());
        }
        let mut builder = reqwest::Client::builder().read_timeout(SILENCE);
        let loopback = match base.host() {
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            Some(Host::Domain(name)) => name == "localhost",
            None => return Err(refusal()),
        };
        if loopback {
            // The user's proxy has no way to this machine's loopback.
            builder = builder.no_proxy();
        }
        let http = builder
            .build()
            .expect("invariant: a client without files or certificates builds");
        Ok(Self {
            http,
            base,
            token,
            dialect: Arc::default(),
        })
    }

    /// `path` has its segments already encoded by [`segment`].
    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = self
            .base
            .join(path)
            .expect("invariant: an encoded relative path joins any base");
        let request = self.http.request(method, url);
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    async fn answer<T: DeserializeOwned>(&self, call: Call, request: RequestBuilder) -> Result<T, KfpError> {
        let response = self.response(&call, request).await?;
        let http_status = response.status().as_u16();
        let body = match response.bytes().await {
            Ok(body) => body,
            Err(error) => return Err(KfpError::Unreachable { call, error }),
        };
        serde_json::from_slice(&body).map_err(|error| KfpError::Malformed {
            call,
            http_status,
            reason: error.to_string(),
        })
    }

    async fn effect(&self, call: Call, request: RequestBuilder) -> Result<(), KfpError> {
        self.response(&call, request).await.map(drop)
    }

    /// The response, once it is known to be no error.
    async fn response(&self, call: &Call, request: RequestBuilder) -> Result<Response, KfpError> {
        let response = request.send().await.map_err(|error| KfpError::Unreachable {
            call: call.clone(),
            error,
        })?;
        if response.status().is_success() {
            return Ok(response);
        }
        Err(refusal(call.clone(), response).await)
    }
}

async fn refusal(call: Call, response: Response) -> KfpError {
    let http_status = response.status().as_u16();
    let mut text = Vec::new();
    let mut chunks = response.bytes_stream();
    // A body that breaks off says what it could.
    while let Ok(Some(chunk)) = chunks.try_next().await {
        text.extend_from_slice(&chunk);
        if text.len() > ERROR_BODY {
            break;
        }
    }
    let Ok(body) = serde_json::from_slice::<ErrorBody>(&text) else {
        let text = String::from_utf8_lossy(&text);
        return KfpError::Malformed {
            call,
            http_status,
            reason: text.lines().next().unwrap_or_default().to_owned(),
        };
    };
    let message = [body.message, body.error_message, body.error]
        .into_iter()
        .find(|text| !text.is_empty())
        .unwrap_or_default();
    let code = body.code.unwrap_or_else(|| code_of_http(http_status).number());
    KfpError::Refused {
        call,
        http_status,
        status: Status {
            code,
            message,
            details: body.details,
        },
    }
}

/// The plain HTTP handlers give no code.
fn code_of_http(http_status: u16) -> Code {
    match http_status {
        400 => Code::InvalidArgument,
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::NotFound,
        409 => Code::AlreadyExists,
        500 => Code::Internal,
        501 => Code::Unimplemented,
        503 => Code::Unavailable,
        _ => Code::Unknown,
    }
}

/// One path segment, percent-encoded.
fn segment(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes())
        .collect::<String>()
        .replace('+', "%20")
}

fn call(operation: &'static str, object: impl Into<String>) -> Call {
    Call {
        operation,
        object: object.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("ftp://127.0.0.1")]
    #[case("127.0.0.1:8888")]
    #[case("")]
    fn a_url_that_is_none_is_refused(#[case] url: &str) {
        let error = Client::new(url, None).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("pipelines URL {url}: not an http or https URL")
        );
    }

    #[test]
    fn a_segment_cannot_leave_its_place() {
        assert_eq!(segment("../x y"), "..%2Fx%20y");
    }
}
