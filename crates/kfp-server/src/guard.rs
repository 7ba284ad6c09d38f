//! Who may call: by Host, Origin and token.
//!
//! A page that somebody opens in a browser may send requests to loopback; it cannot choose their Host or Origin.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use kfp_api::status::Code;

use crate::error::ApiError;

/// Names by which this machine calls itself.
const LOOPBACK: [&str; 3] = ["127.0.0.1", "localhost", "[::1]"];
/// Answered to anyone who reaches it: it tells nothing.
const OPEN: &str = "/apis/v2beta1/healthz";

/// Who may call.
#[derive(Clone, Debug, Default)]
pub struct Admission {
    /// Token that every call must carry; none on loopback, where reaching the port is enough.
    pub token: Option<String>,
    /// Further names of this server, without ports; loopback's are always among them.
    pub hosts: Vec<String>,
}

impl Admission {
    fn judge(&self, path: &str, headers: &HeaderMap) -> Result<(), ApiError> {
        let host = text(headers.get(HOST)).ok_or_else(|| ApiError::invalid("no Host header"))?;
        if !self.is_ours(without_port(host)) {
            return Err(ApiError::new(
                Code::PermissionDenied,
                format!("Host {host} is not a name of this server"),
            ));
        }
        if let Some(origin) = headers.get(ORIGIN) {
            let name = text(Some(origin))
                .and_then(|origin| origin.split_once("://"))
                .map(|(_, host)| without_port(host));
            if !name.is_some_and(|name| self.is_ours(name)) {
                return Err(ApiError::new(
                    Code::PermissionDenied,
                    format!("Origin {origin:?} is not a page of this server"),
                ));
            }
        }
        match &self.token {
            Some(token) if path != OPEN => {
                let given = text(headers.get(AUTHORIZATION)).and_then(|value| value.strip_prefix("Bearer "));
                if !given.is_some_and(|given| equal(given.as_bytes(), token.as_bytes())) {
                    return Err(ApiError::new(
                        Code::Unauthenticated,
                        "this server asks for a bearer token",
                    ));
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn is_ours(&self, host: &str) -> bool {
        LOOPBACK
            .into_iter()
            .chain(self.hosts.iter().map(String::as_str))
            .any(|name| name.eq_ignore_ascii_case(host))
    }
}

pub(crate) async fn admit(State(admission): State<Arc<Admission>>, request: Request, next: Next) -> Response {
    match admission.judge(request.uri().path(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

fn text(value: Option<&HeaderValue>) -> Option<&str> {
    value.and_then(|value| value.to_str().ok())
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// Takes as long for every guess of the right length.
fn equal(given: &[u8], wanted: &[u8]) -> bool {
    given.len() == wanted.len()
        && given
            .iter()
            .zip(wanted)
            .fold(0, |difference, (left, right)| difference | (left ^ right))
            == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::address(&[("host", "127.0.0.1:8888")], None)]
    #[case::name(&[("host", "LocalHost")], None)]
    #[case::six(&[("host", "[::1]:8888")], None)]
    #[case::given(&[("host", "pipelines.example:80")], None)]
    #[case::own_page(&[("host", "localhost:1"), ("origin", "http://localhost:1")], None)]
    #[case::none(&[], Some("no Host header"))]
    #[case::rebound(&[("host", "evil.example:8888")], Some("Host evil.example:8888 is not a name of this server"))]
    #[case::other_page(
        &[("host", "127.0.0.1"), ("origin", "https://evil.example")],
        Some("Origin \"https://evil.example\" is not a page of this server")
    )]
    #[case::hidden_page(
        &[("host", "127.0.0.1"), ("origin", "null")],
        Some("Origin \"null\" is not a page of this server")
    )]
    fn hosts_and_origins(#[case] headers: &[(&'static str, &str)], #[case] refusal: Option<&str>) {
        let admission = Admission {
            token: None,
            hosts: vec!["pipelines.example".to_owned()],
        };
        assert_eq!(judged(&admission, "/", headers).as_deref(), refusal);
    }

    #[rstest]
    #[case::right("/", Some("Bearer t0ken"), true)]
    #[case::wrong("/", Some("Bearer t0kem"), false)]
    #[case::basic("/", Some("Basic t0ken"), false)]
    #[case::none("/", None, false)]
    #[case::health(OPEN, None, true)]
    fn tokens(#[case] path: &str, #[case] given: Option<&str>, #[case] admitted: bool) {
        let admission = Admission {
            token: Some("t0ken".to_owned()),
            hosts: Vec::new(),
        };
        let mut headers = vec![("host", "localhost")];
        headers.extend(given.map(|given| ("authorization", given)));
        let refusal = (!admitted).then(|| "this server asks for a bearer token".to_owned());
        assert_eq!(judged(&admission, path, &headers), refusal);
    }

    fn judged(admission: &Admission, path: &str, headers: &[(&'static str, &str)]) -> Option<String> {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect();
        admission
            .judge(path, &headers)
            .err()
            .map(|error| error.status().message)
    }
}
