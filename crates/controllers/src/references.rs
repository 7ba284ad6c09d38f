//! ConfigMaps and Secrets that containers refer to, fetched.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{Api, Client};

use crate::container::{Objects, Referenced};

/// Fetches what is referred to in this namespace.
pub(crate) async fn fetch(
    client: &Client,
    namespace: &str,
    referenced: &Referenced,
) -> Result<Objects, kube::Error> {
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let mut objects = Objects {
        namespace: namespace.to_owned(),
        ..Objects::default()
    };
    for name in &referenced.config_maps {
        let data = maps.get_opt(name).await?.map(|map| map.data.unwrap_or_default());
        objects.config_maps.insert(name.clone(), data);
    }
    for name in &referenced.secrets {
        let data = secrets.get_opt(name).await?.map(|secret| text_of(&secret));
        objects.secrets.insert(name.clone(), data);
    }
    Ok(objects)
}

/// Values that are no text cannot be variables, as in Kubernetes.
fn text_of(secret: &Secret) -> BTreeMap<String, String> {
    let data = secret.data.iter().flatten();
    data.filter_map(|(key, value)| Some((key.clone(), String::from_utf8(value.0.clone()).ok()?)))
        .collect()
}
