//! A client from a kubeconfig.

use std::path::Path;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use crate::error::ServingError;

/// A client of the API server that the kubeconfig names; without one, by kube's own inference (environment, home,
/// service account).
///
/// # Errors
/// [`ServingError::Connect`]. No request is sent.
pub async fn connect(kubeconfig: Option<&Path>, context: Option<&str>) -> Result<Client, ServingError> {
    let origin = kubeconfig.map_or("inferred".to_owned(), |path| path.display().to_string());
    let refused = |reason: String| ServingError::Connect {
        origin: origin.clone(),
        reason,
    };
    let options = KubeConfigOptions {
        context: context.map(str::to_owned),
        ..KubeConfigOptions::default()
    };
    let mut config = match kubeconfig {
        Some(path) => {
            let document = Kubeconfig::read_from(path).map_err(|error| refused(error.to_string()))?;
            Config::from_custom_kubeconfig(document, &options)
                .await
                .map_err(|error| refused(error.to_string()))?
        }
        None if context.is_some() => Config::from_kubeconfig(&options)
            .await
            .map_err(|error| refused(error.to_string()))?,
        None => Config::infer()
            .await
            .map_err(|error| refused(error.to_string()))?,
    };
    if config.cluster_url.host().is_some_and(is_loopback) {
        // HTTPS_PROXY of the user has no way to this machine's loopback.
        config.proxy_url = None;
    }
    Client::try_from(config).map_err(|error| refused(error.to_string()))
}

/// Whether a URL's host is this machine's own.
pub(crate) fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("127.0.0.1", true)]
    #[case("127.8.0.1", true)]
    #[case("[::1]", true)]
    #[case("localhost", true)]
    #[case("10.0.0.1", false)]
    #[case("localhost.example.org", false)]
    fn loopback_hosts(#[case] host: &str, #[case] expected: bool) {
        assert_eq!(is_loopback(host), expected);
    }

    #[rstest]
    #[case::absent(None, "No such file")]
    #[case::empty(Some(""), "")]
    #[case::no_context(Some("apiVersion: v1\nkind: Config\ncurrent-context: nowhere\n"), "nowhere")]
    #[tokio::test]
    async fn a_kubeconfig_that_leads_nowhere_is_named(#[case] text: Option<&str>, #[case] expected: &str) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kubeconfig");
        if let Some(text) = text {
            std::fs::write(&path, text).unwrap();
        }
        let message = connect(Some(&path), None).await.err().unwrap().to_string();
        assert!(
            message.starts_with(&format!("Kubernetes API ({})", path.display()))
                && message.contains(expected),
            "{message}"
        );
    }
}
