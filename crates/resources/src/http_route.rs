//! The Gateway API's HTTPRoute: which Service answers which requests, and by which weights.
//!
//! Upstream: `kubernetes-sigs/gateway-api:apis/v1/{httproute_types,shared_types}.go@v1.5.1`.

mod rules;
mod status;

pub use rules::validate;
pub use status::{HttpRouteStatus, RouteParentStatus};

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use crate::open_set::open_set;
use crate::schema::any_object;

/// Weight of a backend that names none.
pub const DEFAULT_WEIGHT: i32 = 1;

/// Which requests go where.
#[skip_serializing_none]
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "gateway.networking.k8s.io",
    version = "v1",
    kind = "HTTPRoute",
    root = "HttpRoute",
    plural = "httproutes",
    namespaced,
    status = "HttpRouteStatus",
    schema = "disabled",
    derive = "PartialEq",
    derive = "Default",
    doc = "Which Service answers which requests, and by which weights.",
    category = "gateway-api",
    printcolumn(name = "Hostnames", type_ = "string", json_path = ".spec.hostnames"),
    printcolumn(
        name = "Backends",
        type_ = "string",
        json_path = ".spec.rules[*].backendRefs[*].name"
    ),
    printcolumn(
        name = "Weights",
        type_ = "string",
        json_path = ".spec.rules[*].backendRefs[*].weight"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct HttpRouteSpec {
    /// The gateways it is attached to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub parent_refs: Vec<ParentReference>,
    /// Host names it answers to; all when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub hostnames: Vec<String>,
    /// The rules, each with its own matches and backends.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub rules: Vec<HttpRouteRule>,
}

/// A gateway.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ParentReference {
    /// Its group; `gateway.networking.k8s.io` when absent.
    pub group: Option<String>,
    /// Its kind; `Gateway` when absent.
    pub kind: Option<String>,
    /// Its namespace; the route's when absent.
    pub namespace: Option<String>,
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// Its listener.
    pub section_name: Option<String>,
    /// Its port.
    pub port: Option<i32>,
}

/// One rule.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpRouteRule {
    /// Its name.
    pub name: Option<String>,
    /// Requests it is for: any of these; all when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub matches: Vec<HttpRouteMatch>,
    /// What is done with a request on its way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub filters: Vec<HttpRouteFilter>,
    /// Who answers, by weight.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub backend_refs: Vec<HttpBackendRef>,
    /// How long it may take.
    pub timeouts: Option<HttpRouteTimeouts>,
    /// When it is tried again (experimental channel).
    #[serde(default)]
    #[schemars(schema_with = "any_object")]
    pub retry: Option<serde_json::Value>,
    /// Which client stays with which backend (experimental channel).
    #[serde(default)]
    #[schemars(schema_with = "any_object")]
    pub session_persistence: Option<serde_json::Value>,
}

/// A pattern of requests: all parts must hold.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpRouteMatch {
    /// The path.
    pub path: Option<HttpPathMatch>,
    /// Headers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub headers: Vec<HttpValueMatch>,
    /// Query parameters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub query_params: Vec<HttpValueMatch>,
    /// The method.
    pub method: Option<String>,
}

/// A pattern of paths.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpPathMatch {
    /// How; PathPrefix when absent.
    #[serde(rename = "type")]
    pub type_: Option<PathMatchType>,
    /// The text; `/` when absent.
    pub value: Option<String>,
}

open_set! {
    /// How a path is compared.
    PathMatchType {
        /// The whole path.
        Exact = "Exact",
        /// Its first elements.
        PathPrefix = "PathPrefix",
        /// By a regular expression, as the implementation has them.
        RegularExpression = "RegularExpression",
    }
}

/// A pattern of a header or a query parameter.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpValueMatch {
    /// How; Exact when absent.
    #[serde(rename = "type")]
    pub type_: Option<String>,
    /// Its name.
    pub name: String,
    /// Its value.
    #[serde(default)]
    pub value: String,
}

/// What is done with a request: one of the parts, named by `type`.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpRouteFilter {
    /// Which part.
    #[serde(rename = "type", default)]
    pub type_: String,
    /// Headers of the request.
    #[serde(default)]
    #[schemars(schema_with = "any_object")]
    pub request_header_modifier: Option<serde_json::Value>,
    /// Headers of the answer.
    #[serde(default)]
    #[schemars(schema_with = "any_object")]
    pub response_header_modifier: Option<serde_json::Value>,
    /// A copy to somebody else.
    #[serde(default)]
    #[schemars(schema_with = "any_object")]
    pub request_mirror: Option<serde_json::Value>,
    /// An answer that sends the client elsewhere.
    #[serde(default)]
    #[schemars(schema_with = "any_object")]
    pub request_redirect: Option<serde_json::Value>,
    /// Another path or host.
    #[serde(default)]
    #[schemars(schema_with = "any_object")]
    pub url_rewrite: Option<serde_json::Value>,
    /// An implementation's own.
    #[serde(default)]
    #[schemars(schema_with = "any_object")]
    pub extension_ref: Option<serde_json::Value>,
}

/// Who answers.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpBackendRef {
    /// Its group; core when absent.
    pub group: Option<String>,
    /// Its kind; `Service` when absent.
    pub kind: Option<String>,
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// Its namespace; the route's when absent.
    pub namespace: Option<String>,
    /// Its port; required for a Service.
    pub port: Option<i32>,
    /// Its share among the rule's weights; [`DEFAULT_WEIGHT`] when absent.
    pub weight: Option<i32>,
    /// What is done with a request for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub filters: Vec<HttpRouteFilter>,
}

/// How long a request may take, in the Gateway API's durations (`10s`).
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpRouteTimeouts {
    /// The whole request.
    pub request: Option<String>,
    /// One attempt at a backend.
    pub backend_request: Option<String>,
}
