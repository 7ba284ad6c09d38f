//! What enters a cache key is a field of this type, and nothing else does.
//!
//! The fields are KFP's (`backend/src/v2/cacheutils/cache.go` at 2.17.0), with the ids of artifacts replaced by digests
//! of their bytes, so that equal bytes are equal inputs; and the environment, which KFP leaves out: literal values, and
//! of ConfigMaps and Secrets the names and keys, never the values.

use std::collections::BTreeMap;

use pipeline_spec::canonical;
use pipeline_spec::ir::{ArtifactType, ComponentSpec, ContainerSpec};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::bind::{Bound, References};
use crate::model::{ArtifactRecord, Difference};

/// All that the result of a task depends on. Tasks with equal keys have equal results.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct CacheKey {
    /// Name of the pipeline.
    pipeline: String,
    /// What the package says stands for everything below.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    custom: Option<String>,
    /// Name of the image.
    image: String,
    /// Command and arguments as the package has them, placeholders unfilled.
    command: Vec<String>,
    /// Values by input.
    input_parameters: BTreeMap<String, Value>,
    /// Digests by input.
    input_artifacts: BTreeMap<String, Vec<String>>,
    /// Types by output.
    output_parameters: BTreeMap<String, String>,
    /// Types and properties by output.
    output_artifacts: BTreeMap<String, OutputArtifact>,
    /// Literal environment.
    env: BTreeMap<String, String>,
    /// Environment by reference: what a variable is read from.
    env_from: BTreeMap<String, String>,
    /// Volumes by reference: what is mounted at a path.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    volumes: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct OutputArtifact {
    #[serde(rename = "type")]
    artifact_type: ArtifactType,
    metadata: Map<String, Value>,
}

/// What a key is made of.
pub(crate) struct Ingredients<'a> {
    pub(crate) pipeline: &'a str,
    pub(crate) component_name: &'a str,
    pub(crate) component: &'a ComponentSpec,
    pub(crate) container: &'a ContainerSpec,
    /// What is read from elsewhere.
    pub(crate) references: &'a References,
    /// What the package says stands for the whole key.
    pub(crate) custom: Option<&'a str>,
    pub(crate) inputs: &'a Bound,
}

impl CacheKey {
    /// The key of a task.
    pub(crate) fn of(from: &Ingredients<'_>) -> Self {
        if let Some(custom) = from.custom {
            // Within its component, as in KFP after 2.17 (#13762).
            return Self::empty(from.pipeline, Some(format!("{}/{custom}", from.component_name)));
        }
        let mut key = Self::empty(from.pipeline, None);
        key.image.clone_from(&from.container.image);
        key.command = from
            .container
            .command
            .iter()
            .chain(&from.container.args)
            .cloned()
            .collect();
        key.input_parameters = from
            .inputs
            .parameters
            .iter()
            .map(|parameter| (parameter.name.clone(), canonical(&parameter.value)))
            .collect();
        key.input_artifacts = from
            .inputs
            .artifacts
            .iter()
            .map(|bound| (bound.name.clone(), bound.artifacts.iter().map(identity).collect()))
            .collect();
        let outputs = &from.component.outputs;
        key.output_parameters = outputs
            .parameters
            .iter()
            .map(|(name, output)| (name.clone(), output.parameter_type.name().to_owned()))
            .collect();
        key.output_artifacts = outputs
            .artifacts
            .iter()
            .map(|(name, output)| {
                let artifact_type = output.artifact_type.clone();
                (
                    name.clone(),
                    OutputArtifact {
                        artifact_type,
                        metadata: output.metadata.clone(),
                    },
                )
            })
            .collect();
        key.env = from
            .container
            .env
            .iter()
            .map(|var| (var.name.clone(), var.value.clone()))
            .collect();
        key.env_from = from
            .references
            .variables
            .iter()
            .map(|var| (var.name.clone(), var.source.to_string()))
            .collect();
        key.volumes = from
            .references
            .volumes
            .iter()
            .map(|volume| (volume.target.display().to_string(), volume.source.to_string()))
            .collect();
        key
    }

    fn empty(pipeline: &str, custom: Option<String>) -> Self {
        Self {
            pipeline: pipeline.to_owned(),
            custom,
            image: String::new(),
            command: Vec::new(),
            input_parameters: BTreeMap::new(),
            input_artifacts: BTreeMap::new(),
            output_parameters: BTreeMap::new(),
            output_artifacts: BTreeMap::new(),
            env: BTreeMap::new(),
            env_from: BTreeMap::new(),
            volumes: BTreeMap::new(),
        }
    }

    /// The key in its one form.
    pub(crate) fn to_json(&self) -> Value {
        canonical(&serde_json::to_value(self).expect("invariant: string keys only"))
    }

    /// SHA-256 over that form, in hex.
    pub(crate) fn fingerprint(&self) -> String {
        hex::encode(Sha256::digest(self.to_json().to_string()))
    }

    /// Every field that differs, named for people, from `earlier` to this key.
    pub(crate) fn differences(&self, earlier: &Self) -> Vec<Difference> {
        let mut found = Vec::new();
        let mut compare = |field: String, was: Option<String>, is: Option<String>| {
            if was != is {
                found.push(Difference { field, was, is });
            }
        };
        compare(
            "pipeline".into(),
            Some(json(&earlier.pipeline)),
            Some(json(&self.pipeline)),
        );
        compare(
            "cache key".into(),
            earlier.custom.as_ref().map(json),
            self.custom.as_ref().map(json),
        );
        compare(
            "image".into(),
            Some(json(&earlier.image)),
            Some(json(&self.image)),
        );
        compare(
            "command".into(),
            Some(json(&earlier.command)),
            Some(json(&self.command)),
        );
        compare_maps(
            "parameter",
            &earlier.input_parameters,
            &self.input_parameters,
            &mut compare,
        );
        compare_maps(
            "artifact",
            &earlier.input_artifacts,
            &self.input_artifacts,
            &mut compare,
        );
        compare_maps(
            "output parameter",
            &earlier.output_parameters,
            &self.output_parameters,
            &mut compare,
        );
        compare_maps(
            "output artifact",
            &earlier.output_artifacts,
            &self.output_artifacts,
            &mut compare,
        );
        compare_maps("variable", &earlier.env, &self.env, &mut compare);
        compare_maps("variable", &earlier.env_from, &self.env_from, &mut compare);
        compare_maps("volume", &earlier.volumes, &self.volumes, &mut compare);
        found
    }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("invariant: string keys only")
}

fn compare_maps<T: Serialize + PartialEq>(
    what: &str,
    earlier: &BTreeMap<String, T>,
    later: &BTreeMap<String, T>,
    compare: &mut impl FnMut(String, Option<String>, Option<String>),
) {
    let gone = earlier.keys().filter(|name| !later.contains_key(*name));
    for name in later.keys().chain(gone) {
        if earlier.get(name) != later.get(name) {
            compare(
                format!("{what} {name}"),
                earlier.get(name).map(json),
                later.get(name).map(json),
            );
        }
    }
}

/// What an artifact is to those who read it: its bytes. Where there are none here it is its URI, and where it has
/// neither bytes nor a URI elsewhere, its properties.
pub(crate) fn identity(artifact: &ArtifactRecord) -> String {
    match &artifact.digest {
        Some(digest) => format!("sha256:{digest}"),
        None if artifact.uri.starts_with("file://") => {
            let metadata = canonical(&Value::Object(artifact.metadata.clone())).to_string();
            format!("metadata:{}", hex::encode(Sha256::digest(metadata)))
        }
        None => format!("uri:{}", artifact.uri),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bind::variables::Variable;
    use crate::bind::volumes::Volume;
    use crate::bind::{VariableSource, VolumeSource};
    use crate::model::{ArtifactId, BoundArtifact, BoundParameter, Origin};
    use serde_json::json;

    fn artifact(digest: Option<&str>, uri: &str) -> ArtifactRecord {
        ArtifactRecord {
            id: ArtifactId::of(uri),
            name: "data".into(),
            artifact_type: ArtifactType::default(),
            uri: uri.into(),
            path: None,
            digest: digest.map(str::to_owned),
            size: 0,
            modified_ns: 0,
            metadata: Map::new(),
        }
    }

    fn key(change: impl FnOnce(&mut ContainerSpec, &mut References, &mut Bound)) -> CacheKey {
        let component: ComponentSpec = serde_json::from_value(json!({
            "executorLabel": "exec-train",
            "outputDefinitions": {
                "parameters": {"mae": {"parameterType": "NUMBER_DOUBLE"}},
                "artifacts": {"model": {"artifactType": {"schemaTitle": "system.Model"}}},
            },
        }))
        .unwrap();
        let mut container: ContainerSpec = serde_json::from_value(json!({
            "image": "recipe:train-1", "command": ["python3"], "args": ["{{$}}"], "env": [{"name": "A", "value": "1"}],
        }))
        .unwrap();
        let source = VariableSource::Secret {
            name: "keys".into(),
            key: "token".into(),
            optional: false,
        };
        let mut references = References {
            variables: vec![Variable {
                name: "TOKEN".into(),
                source,
            }],
            volumes: Vec::new(),
        };
        let mut inputs = Bound {
            parameters: vec![BoundParameter {
                name: "x".into(),
                value: json!(3.0),
                origin: Origin::Constant,
            }],
            artifacts: vec![BoundArtifact {
                name: "data".into(),
                artifacts: vec![artifact(Some("d1"), "file:///a")],
                origin: Origin::Component,
            }],
        };
        change(&mut container, &mut references, &mut inputs);
        CacheKey::of(&Ingredients {
            pipeline: "p",
            component_name: "comp-train",
            component: &component,
            container: &container,
            references: &references,
            custom: None,
            inputs: &inputs,
        })
    }

    fn told(change: impl FnOnce(&mut ContainerSpec, &mut References, &mut Bound)) -> Vec<String> {
        let (earlier, later) = (key(|_, _, _| ()), key(change));
        assert_eq!(earlier == later, earlier.fingerprint() == later.fingerprint());
        later
            .differences(&earlier)
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn each_ingredient_is_told_by_its_name() {
        assert_eq!(told(|_, _, _| ()), [""; 0]);
        assert_eq!(
            told(|_, _, inputs| inputs.parameters[0].value = json!(4)),
            ["parameter x: 3 → 4"]
        );
        assert_eq!(
            told(|container, _, _| container.image = "recipe:train-2".into()),
            [r#"image: "recipe:train-1" → "recipe:train-2""#]
        );
        assert_eq!(
            told(|_, _, inputs| inputs.artifacts[0].artifacts[0].digest = Some("d2".into())),
            [r#"artifact data: ["sha256:d1"] → ["sha256:d2"]"#]
        );
        assert_eq!(
            told(|container, _, _| container.env.clear()),
            [r#"variable A: "1" → absent"#]
        );
        assert_eq!(
            told(
                |_, references, _| references.variables[0].source = VariableSource::Secret {
                    name: "keys".into(),
                    key: "other".into(),
                    optional: true
                }
            ),
            [r#"variable TOKEN: "secret keys token" → "secret keys other""#]
        );
        assert_eq!(
            told(|_, references, _| references.volumes.push(Volume {
                target: "/data".into(),
                source: VolumeSource::Claim {
                    name: "mine".into(),
                    sub_path: "a".into()
                },
            })),
            [r#"volume /data: absent → "claim mine a""#]
        );
        assert_eq!(
            told(|container, _, _| container.args = vec!["-v".into()]),
            [r#"command: ["python3","{{$}}"] → ["python3","-v"]"#]
        );
    }

    #[test]
    fn equal_bytes_elsewhere_and_equal_numbers_are_the_same_key() {
        assert_eq!(
            told(|_, _, inputs| {
                inputs.parameters[0].value = json!(3);
                inputs.artifacts[0].artifacts[0] = artifact(Some("d1"), "file:///other/place");
            }),
            [""; 0]
        );
    }

    #[test]
    fn an_artifact_without_bytes_is_its_uri_or_its_properties() {
        assert_eq!(identity(&artifact(None, "s3://bucket/x")), "uri:s3://bucket/x");
        let mut metrics = artifact(None, "file:///a/metrics");
        let before = identity(&metrics);
        metrics.metadata.insert("mae".into(), json!(1));
        assert!(before.starts_with("metadata:") && before != identity(&metrics));
    }

    #[test]
    fn the_form_of_a_key_is_kept() {
        // Changing the form forgets every cache: it is a decision, not an accident.
        assert_eq!(
            key(|_, _, _| ()).fingerprint(),
            "c9680eee06145383b299d5b2a57ef9742340e400e3b55598e38ee3994f189fd7"
        );
    }
}
