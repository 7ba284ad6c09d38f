//! The server's door: TLS, tokens, paths, bodies and answers.

mod accept;
mod answer;
mod body;
mod dispatch;
mod guard;
mod path;
mod protobuf;
mod query;
mod router;
mod tls;

pub(crate) use accept::{Shape, shape};
pub(crate) use router::{Served, router};
pub(crate) use tls::TlsListener;

/// Largest body, as etcd's limit has it (`apiserver/pkg/server/config.go`, `MaxRequestBodyBytes`).
const LARGEST_BODY: usize = 3 * 1024 * 1024;
