//! What can go wrong on the way to a served model.

use std::fmt;

use kube::Resource;

use crate::golden::GoldenError;

/// Which object, as `kubectl` would be asked for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its kind.
    pub kind: String,
    /// Its namespace; absent for a kind of the whole cluster.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl Object {
    pub(crate) fn of<K: Resource<DynamicType = ()>>(namespace: Option<&str>, name: &str) -> Self {
        Self {
            kind: K::kind(&()).into_owned(),
            namespace: namespace.map(str::to_owned),
            name: name.to_owned(),
        }
    }
}

impl fmt::Display for Object {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(formatter, "{} {namespace}/{}", self.kind, self.name),
            None => write!(formatter, "{} {}", self.kind, self.name),
        }
    }
}

/// Why a model is not served as asked.
#[derive(Debug, thiserror::Error)]
pub enum ServingError {
    /// No client can be made: no kubeconfig, no such context, a certificate that does not parse.
    #[error("Kubernetes API ({origin}): {reason}")]
    Connect {
        /// The kubeconfig, or `inferred` where none is named.
        origin: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Nobody answers at the API server's address; it may be on its way back.
    #[error("{verb} {object}: the Kubernetes API does not answer: {reason}")]
    Silent {
        /// get, apply, watch.
        verb: &'static str,
        /// Of which object.
        object: Object,
        /// The network's words.
        reason: String,
    },
    /// The API server refused, or is not the one that the kubeconfig trusts.
    #[error("{verb} {object}: {reason}")]
    Api {
        /// get, apply, watch.
        verb: &'static str,
        /// Of which object.
        object: Object,
        /// The server's message, or the network's.
        reason: String,
    },
    /// A name that KServe would refuse, or that makes no host name.
    #[error(
        "`{name}` cannot name an InferenceService: lower-case letters, digits and dashes, at most 40, from a letter"
    )]
    Name {
        /// The name.
        name: String,
    },
    /// The files lie where no serving runtime can fetch them from; KServe accepts such a URI and never gets ready.
    #[error(
        "model files at {uri}: a serving runtime fetches file://, s3://, gs://, hf://, pvc:// or https:// only"
    )]
    StorageUri {
        /// The URI.
        uri: String,
    },
    /// The named ClusterServingRuntime is not there.
    #[error("{object} is not there; there are: {known}")]
    NoRuntime {
        /// The runtime.
        object: Object,
        /// Names of those there are, comma-separated, or `none`.
        known: String,
    },
    /// The runtime serves no format, or is disabled.
    #[error("{object} cannot serve: {reason}")]
    UnusableRuntime {
        /// The runtime.
        object: Object,
        /// Why not.
        reason: &'static str,
    },
    /// An object of that name is there and was not made by this program; it is left alone.
    #[error("{object} is there already and not ours (label app.kubernetes.io/managed-by is {owner})")]
    Foreign {
        /// The object.
        object: Object,
        /// What the label says, or `absent`.
        owner: String,
    },
    /// The deadline passed.
    #[error(
        "{object} is not ready after {seconds} s; last seen: {last_seen}{}",
        listed(events)
    )]
    NotReady {
        /// What was waited for.
        object: Object,
        /// How long.
        seconds: u64,
        /// Its conditions when last seen.
        last_seen: String,
        /// Its latest Events, oldest first.
        events: Box<[String]>,
    },
    /// Its controller says that it will not become ready.
    #[error("{object} failed: {reason}{}", listed(events))]
    Failed {
        /// What failed.
        object: Object,
        /// Its controller's words.
        reason: String,
        /// Its latest Events, oldest first.
        events: Box<[String]>,
    },
    /// The endpoint did not answer the golden requests as recorded before the deadline.
    #[error("{object}: {source}")]
    Golden {
        /// What is served there.
        object: Object,
        /// The last difference.
        source: Box<GoldenError>,
    },
}

fn listed(events: &[String]) -> String {
    events.iter().map(|event| format!("\n  event: {event}")).collect()
}

impl ServingError {
    pub(crate) fn api(verb: &'static str, object: Object, error: &kube::Error) -> Self {
        let reason = reason(error);
        if is_silence(error) {
            Self::Silent { verb, object, reason }
        } else {
            Self::Api { verb, object, reason }
        }
    }
}

/// Whether a request got no answer. A certificate that is not trusted is an answer: rustls tells it as invalid data.
fn is_silence(error: &kube::Error) -> bool {
    let network = matches!(error, kube::Error::Service(_) | kube::Error::HyperError(_));
    let mut causes = std::iter::successors(Some(error as &dyn std::error::Error), |cause| cause.source());
    network
        && !causes.any(|cause| {
            let io = cause.downcast_ref::<std::io::Error>();
            io.is_some_and(|io| io.kind() == std::io::ErrorKind::InvalidData)
        })
}

/// The server's own message where there is one: kube's `Display` repeats the whole Status.
pub(crate) fn reason(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => format!("{} ({})", status.message, status.code),
        other => {
            let mut text = other.to_string();
            let mut source = std::error::Error::source(other);
            while let Some(cause) = source {
                let cause_text = cause.to_string();
                if !text.contains(&cause_text) {
                    text = format!("{text}: {cause_text}");
                }
                source = cause.source();
            }
            text
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn a_certificate_that_is_not_trusted_is_no_silence() {
        let of = |kind| kube::Error::Service(Box::new(io::Error::new(kind, "told")));
        assert!(is_silence(&of(io::ErrorKind::ConnectionReset)));
        assert!(!is_silence(&of(io::ErrorKind::InvalidData)));
    }
}
