//! A path as group, version, namespace, kind, name and subresource (`apiserver/pkg/endpoints/request/requestinfo.go`).

use crate::failure::Failure;
use crate::kinds::{self, Kind};
use crate::names;

/// What a path names.
pub(super) struct ResourcePath {
    pub(super) kind: &'static Kind,
    pub(super) namespace: Option<String>,
    pub(super) name: Option<String>,
    pub(super) status: bool,
}

/// Reads a path below `/api` or `/apis`.
///
/// # Errors
///
/// 404 naming what is not served, 400 for a namespace that can be none.
pub(super) fn parse(path: &str) -> Result<ResourcePath, Failure> {
    let unknown = || Failure::no_such_path(path);
    let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let (group, version, rest) = match segments.as_slice() {
        ["api", version, rest @ ..] => ("", *version, rest),
        ["apis", group, version, rest @ ..] => (*group, *version, rest),
        _ => return Err(unknown()),
    };
    let (namespace, rest) = match rest {
        ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (Some(*namespace), rest),
        rest => (None, rest),
    };
    let (plural, name, subresource) = match rest {
        [plural] => (*plural, None, None),
        [plural, name] => (*plural, Some(*name), None),
        [plural, name, subresource] => (*plural, Some(*name), Some(*subresource)),
        _ => return Err(unknown()),
    };
    let kind = kinds::find(group, version, plural).ok_or_else(|| {
        let api_version = if group.is_empty() {
            version.to_owned()
        } else {
            format!("{group}/{version}")
        };
        Failure::no_such_path(&format!("{plural} of {api_version}"))
    })?;
    match (kind.namespaced(), namespace, name) {
        (true, Some(namespace), _) if !names::is_namespace(namespace) => {
            return Err(Failure::bad_request(format!("{namespace:?} can be no namespace")));
        }
        (false, Some(_), _) | (true, None, Some(_)) => return Err(unknown()),
        _ => {}
    }
    // A name that can be none cannot be there; this also ends every `..` and `%2f`.
    if let Some(name) = name.filter(|name| !names::is_name(name)) {
        return Err(Failure::not_found(kind, name));
    }
    let status = match subresource {
        None => false,
        Some("status") if kind.has_status() => true,
        Some(other) => {
            return Err(Failure::no_such_path(&format!(
                "{}/{other}",
                kind.resource_name()
            )));
        }
    };
    Ok(ResourcePath {
        kind,
        namespace: namespace.map(str::to_owned),
        name: name.map(str::to_owned),
        status,
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("/api/v1/configmaps", "configmaps", None, None, false)]
    #[case("/api/v1/namespaces/a/secrets/b", "secrets", Some("a"), Some("b"), false)]
    #[case(
        "/apis/kubeflow.org/v1beta1/namespaces/a/experiments/b/status",
        "experiments.kubeflow.org",
        Some("a"),
        Some("b"),
        true
    )]
    #[case(
        "/apis/serving.kserve.io/v1alpha1/clusterservingruntimes/b",
        "clusterservingruntimes.serving.kserve.io",
        None,
        Some("b"),
        false
    )]
    fn paths_name_resources(
        #[case] path: &str,
        #[case] resource: &str,
        #[case] namespace: Option<&str>,
        #[case] name: Option<&str>,
        #[case] status: bool,
    ) {
        let parsed = parse(path)
            .map_err(|failure| failure.message().to_owned())
            .unwrap();
        assert_eq!(parsed.kind.resource_name(), resource);
        assert_eq!(
            (parsed.namespace.as_deref(), parsed.name.as_deref()),
            (namespace, name)
        );
        assert_eq!(parsed.status, status);
    }

    #[rstest]
    #[case(
        "/api/v1/pods",
        404,
        "the server could not find the requested resource: pods of v1 is not served here"
    )]
    #[case(
        "/api/v1/namespaces",
        404,
        "the server could not find the requested resource: namespaces of v1 is not served here"
    )]
    #[case(
        "/api/v1/namespaces/default",
        404,
        "the server could not find the requested resource: namespaces of v1 is not served here"
    )]
    #[case(
        "/apis/apps/v1/namespaces/a/deployments",
        404,
        "the server could not find the requested resource: deployments of apps/v1 is not served here"
    )]
    #[case(
        "/api/v1/namespaces/a/configmaps/b/scale",
        404,
        "the server could not find the requested resource: configmaps/scale is not served here"
    )]
    #[case("/api/v1/namespaces/a/configmaps/..", 404, "configmaps \"..\" not found")]
    #[case("/api/v1/namespaces/A/configmaps", 400, "\"A\" can be no namespace")]
    #[case(
        "/api/v1/configmaps/b",
        404,
        "the server could not find the requested resource: /api/v1/configmaps/b is not served here"
    )]
    fn what_is_not_served_is_named(#[case] path: &str, #[case] code: u16, #[case] message: &str) {
        let failure = parse(path).err().unwrap();
        assert_eq!((failure.code(), failure.message()), (code, message));
    }
}
