//! Who may come in: requests to this machine's own names, with the token.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use super::router::Served;
use crate::failure::Failure;

/// Paths that ask for no token: they tell nothing of any object.
const OPEN: &[&str] = &["/healthz", "/readyz", "/livez", "/version"];
/// Names that the server has a certificate for.
const OWN_NAMES: &[&str] = &["127.0.0.1", "localhost", "[::1]"];

/// A token, kept as its digest: the comparison takes as long for every guess, and no log can show it.
#[derive(Clone)]
pub(crate) struct TokenDigest([u8; 32]);

impl TokenDigest {
    pub(crate) fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }

    fn admits(&self, token: &str) -> bool {
        let other = Self::of(token);
        self.0
            .iter()
            .zip(other.0)
            .fold(0, |differs, (one, other)| differs | (one ^ other))
            == 0
    }
}

/// Lets a request through, or answers it.
pub(super) async fn guard(State(served): State<Arc<Served>>, request: Request, next: Next) -> Response {
    match check(&served.token, &request) {
        Ok(()) => next.run(request).await,
        Err(failure) => failure.into_response(),
    }
}

fn check(token: &TokenDigest, request: &Request) -> Result<(), Failure> {
    // A page in a browser must not reach the server under a name of its own (DNS rebinding), nor from another place.
    let host =
        text(request.headers(), header::HOST).or_else(|| request.uri().authority().map(|a| a.as_str()));
    if !host.is_some_and(is_own) {
        return Err(Failure::forbidden(
            "the Host of the request is none of this server's names",
        ));
    }
    if text(request.headers(), header::ORIGIN)
        .is_some_and(|origin| !origin.split("//").nth(1).is_some_and(is_own))
    {
        return Err(Failure::forbidden(
            "requests of pages from elsewhere are not answered",
        ));
    }
    if OPEN.contains(&request.uri().path()) {
        return Ok(());
    }
    let sent = text(request.headers(), header::AUTHORIZATION).and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    if sent.is_some_and(|sent| token.admits(sent)) {
        Ok(())
    } else {
        Err(Failure::unauthorized())
    }
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn is_own(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.chars().all(|c| c.is_ascii_digit()) => name,
        _ => host,
    };
    OWN_NAMES.iter().any(|own| name.eq_ignore_ascii_case(own))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("/api/v1/secrets", &[("host", "127.0.0.1:6443"), ("authorization", "Bearer right")], None)]
    #[case("/api/v1/secrets", &[("host", "localhost"), ("authorization", "bearer right")], None)]
    #[case("/api/v1/secrets", &[("host", "[::1]:1"), ("authorization", "Bearer right")], None)]
    #[case("/healthz", &[("host", "127.0.0.1")], None)]
    #[case("/api/v1/secrets", &[("host", "127.0.0.1")], Some(401))]
    #[case("/api/v1/secrets", &[("host", "127.0.0.1"), ("authorization", "Bearer wrong")], Some(401))]
    #[case("/api/v1/secrets", &[("host", "127.0.0.1"), ("authorization", "Basic right")], Some(401))]
    #[case("/healthz/../api/v1/secrets", &[("host", "127.0.0.1")], Some(401))]
    #[case("/api/v1/secrets", &[("host", "evil.example"), ("authorization", "Bearer right")], Some(403))]
    #[case("/api/v1/secrets", &[("host", "127.0.0.1.evil.example"), ("authorization", "Bearer right")], Some(403))]
    #[case("/healthz", &[("host", "127.0.0.1"), ("origin", "https://evil.example")], Some(403))]
    #[case("/healthz", &[("host", "127.0.0.1"), ("origin", "null")], Some(403))]
    #[case("/healthz", &[], Some(403))]
    fn the_door(#[case] path: &str, #[case] headers: &[(&str, &str)], #[case] refused: Option<u16>) {
        let mut request = Request::builder().uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let result = check(&TokenDigest::of("right"), &request.body(Body::empty()).unwrap());
        assert_eq!(result.err().map(|failure| failure.code()), refused);
    }
}
