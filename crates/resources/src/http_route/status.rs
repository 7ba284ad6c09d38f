//! What each gateway says of a route.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ParentReference;

/// By gateway.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpRouteStatus {
    /// One entry a gateway.
    #[serde(default)]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub parents: Vec<RouteParentStatus>,
}

impl HttpRouteStatus {
    /// Whether every gateway has taken the generation in and found its backends: conditions `Accepted` and
    /// `ResolvedRefs` are True for it. False while no gateway has answered.
    #[must_use]
    pub fn accepted(&self, generation: i64) -> bool {
        let holds = |parent: &RouteParentStatus, type_: &str| {
            parent.conditions.iter().any(|condition| {
                condition.type_ == type_
                    && condition.status == "True"
                    && condition
                        .observed_generation
                        .is_none_or(|seen| seen >= generation)
            })
        };
        !self.parents.is_empty()
            && self
                .parents
                .iter()
                .all(|parent| holds(parent, "Accepted") && holds(parent, "ResolvedRefs"))
    }
}

/// What one gateway says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RouteParentStatus {
    /// The gateway.
    #[serde(default)]
    pub parent_ref: ParentReference,
    /// Who says so, for example `traefik.io/gateway-controller`.
    #[serde(default)]
    pub controller_name: String,
    /// `Accepted`, `ResolvedRefs`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}
