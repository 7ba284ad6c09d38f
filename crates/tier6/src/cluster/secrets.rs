//! Secrets whose values are made in the cluster, once.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use serde_json::json;

use crate::component::{SecretValue, Secrets};
use crate::error::Tier6Error;
use crate::object::Object;

/// Values by key.
type Values = BTreeMap<String, String>;

/// The Secret as it is to be applied: what is there stays, what is missing is made or taken from where it comes from.
///
/// # Errors
/// [`Tier6Error::Kubernetes`]; also where a Secret that another takes a value from is not there.
pub(super) async fn object(client: &Client, wanted: &Secrets) -> Result<Object, Tier6Error> {
    let there = read(client, &wanted.namespace, &wanted.name).await?;
    let mut values = Values::new();
    for (key, value) in &wanted.data {
        let made = match value {
            SecretValue::Fixed(text) => text.clone(),
            SecretValue::Random(length) => match there.get(key).filter(|text| text.len() == *length) {
                Some(kept) => kept.clone(),
                None => random(*length),
            },
            SecretValue::From(path) => {
                let mut steps = path.splitn(3, '/');
                let mut step = || steps.next().unwrap_or_default();
                let (namespace, name, from) = (step(), step(), step());
                read(client, namespace, name)
                    .await?
                    .remove(from)
                    .ok_or_else(|| Tier6Error::Kubernetes {
                        object: format!("Secret {namespace}/{name}"),
                        reason: format!(
                            "it has no {from}, which Secret {}/{} takes",
                            wanted.namespace, wanted.name
                        ),
                    })?
            }
        };
        values.insert(key.clone(), BASE64_STANDARD.encode(made));
    }
    Object::new(json!({"apiVersion": "v1", "kind": "Secret", "type": "Opaque",
        "metadata": {"namespace": wanted.namespace, "name": wanted.name}, "data": values}))
    .map_err(|reason| Tier6Error::Component {
        name: wanted.name.clone(),
        reason,
    })
}

/// What a Secret holds; nothing where it is not there.
///
/// # Errors
/// [`Tier6Error::Kubernetes`].
pub(super) async fn read(client: &Client, namespace: &str, name: &str) -> Result<Values, Tier6Error> {
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let found = api
        .get_opt(name)
        .await
        .map_err(Tier6Error::kubernetes(format!("Secret {namespace}/{name}")))?;
    Ok(found
        .and_then(|secret| secret.data)
        .unwrap_or_default()
        .into_iter()
        .map(|(key, bytes)| (key, String::from_utf8_lossy(&bytes.0).into_owned()))
        .collect())
}

/// Hexadecimal digits of random UUIDs: 122 random bits in each 32.
fn random(length: usize) -> String {
    let mut text = String::new();
    while text.len() < length {
        text.push_str(&uuid::Uuid::new_v4().simple().to_string());
    }
    text.truncate(length);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_random_value_has_its_length_and_is_another_each_time() {
        let (one, other) = (random(40), random(40));
        assert_eq!((one.len(), other.len()), (40, 40));
        assert!(one.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert_ne!(one, other);
    }
}
