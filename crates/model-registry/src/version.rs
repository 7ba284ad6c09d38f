//! Registered models and their versions.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};

/// Where a version stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Stage {
    /// Made, and nothing decided.
    None,
    /// Passed the gate.
    Staging,
    /// A person has approved it.
    Production,
    /// Followed by another.
    Archived,
}

impl fmt::Display for Stage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::None => "None",
            Self::Staging => "Staging",
            Self::Production => "Production",
            Self::Archived => "Archived",
        })
    }
}

/// What happens to the other versions in a stage when one enters it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Predecessors {
    /// They stay.
    Keep,
    /// They leave for [`Stage::Archived`].
    Archive,
}

/// Whether a version's files are in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum VersionStatus {
    /// The files are still on their way.
    PendingRegistration,
    /// They did not arrive.
    FailedRegistration,
    /// They are there.
    Ready,
}

/// One version of a registered model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ModelVersion {
    /// The registered model's name.
    pub name: String,
    /// Counts from 1; a deleted number does not come back.
    pub version: u32,
    /// Its stage.
    pub stage: Stage,
    /// Whether its files are in place.
    pub status: VersionStatus,
    /// The URI it was created from; where the files really are tells [`crate::Registry::artifact_uri`].
    pub source: String,
    /// The MLflow run that logged it. This is not the pipeline run: that is [`crate::provenance::RUN_ID`].
    pub run_id: Option<String>,
    /// Aliases that point to it.
    pub aliases: BTreeSet<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// When it was made.
    pub created: Timestamp,
    /// When its stage or description last changed; tags and aliases leave this alone.
    pub updated: Timestamp,
}

/// What a version is created from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewVersion<'a> {
    /// Name of an existing registered model.
    pub name: &'a str,
    /// URI of its files. MLflow refuses a local path outside the artifact folder of `run_id`.
    pub source: &'a str,
    /// The MLflow run that logged the files.
    pub run_id: Option<&'a str>,
    /// Tags that are there from the first moment.
    pub tags: BTreeMap<&'a str, String>,
}

/// A registered model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisteredModel {
    /// Its name.
    pub name: String,
    /// Which version an alias points to.
    pub aliases: BTreeMap<String, u32>,
}

/// `{"key","value"}`, MLflow's form of every map.
#[derive(Serialize, Deserialize)]
pub(crate) struct WireTag {
    pub(crate) key: String,
    #[serde(default)]
    pub(crate) value: String,
}

/// `ModelVersion` of model_registry.proto @v3.17.2; empty fields are left out or empty strings.
#[derive(Deserialize)]
pub(crate) struct WireVersion {
    name: String,
    #[serde(deserialize_with = "decimal")]
    version: u32,
    current_stage: Stage,
    status: VersionStatus,
    #[serde(default)]
    source: String,
    #[serde(default)]
    run_id: String,
    #[serde(default)]
    aliases: BTreeSet<String>,
    #[serde(default)]
    tags: Vec<WireTag>,
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    creation_timestamp: Timestamp,
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    last_updated_timestamp: Timestamp,
}

impl From<WireVersion> for ModelVersion {
    fn from(wire: WireVersion) -> Self {
        Self {
            name: wire.name,
            version: wire.version,
            stage: wire.current_stage,
            status: wire.status,
            source: wire.source,
            run_id: Some(wire.run_id).filter(|id| !id.is_empty()),
            aliases: wire.aliases,
            tags: wire.tags.into_iter().map(|tag| (tag.key, tag.value)).collect(),
            created: wire.creation_timestamp,
            updated: wire.last_updated_timestamp,
        }
    }
}

#[derive(Deserialize)]
pub(crate) struct WireModel {
    name: String,
    #[serde(default)]
    aliases: Vec<WireAlias>,
}

#[derive(Deserialize)]
struct WireAlias {
    alias: String,
    #[serde(deserialize_with = "decimal")]
    version: u32,
}

impl From<WireModel> for RegisteredModel {
    fn from(wire: WireModel) -> Self {
        Self {
            name: wire.name,
            aliases: wire
                .aliases
                .into_iter()
                .map(|alias| (alias.alias, alias.version))
                .collect(),
        }
    }
}

fn decimal<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse()
        .map_err(|_| serde::de::Error::custom(format!("`{text}` is not a version number")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn wire(stage: &str, version: &str) -> String {
        format!(
            r#"{{"name":"m","version":{version},"creation_timestamp":1795501564439,"last_updated_timestamp":1795501564713,
               "current_stage":"{stage}","description":"","source":"s3://b/p","run_id":"","status":"READY","run_link":""}}"#
        )
    }

    #[test]
    fn absent_fields_are_empty() {
        let version: ModelVersion = serde_json::from_str::<WireVersion>(&wire("Staging", r#""12""#))
            .unwrap()
            .into();
        assert_eq!(version.version, 12);
        assert_eq!(version.run_id, None);
        assert!(version.tags.is_empty() && version.aliases.is_empty());
        assert_eq!(version.created.as_millisecond(), 1_795_501_564_439);
    }

    #[rstest]
    #[case("Limbo", r#""1""#, "unknown variant `Limbo`")]
    #[case("None", r#""one""#, "`one` is not a version number")]
    #[case("None", "1", "expected a string")]
    fn what_mlflow_does_not_say_is_refused(
        #[case] stage: &str,
        #[case] version: &str,
        #[case] expected: &str,
    ) {
        let message = serde_json::from_str::<WireVersion>(&wire(stage, version))
            .err()
            .unwrap()
            .to_string();
        assert!(message.contains(expected), "{message}");
    }
}
