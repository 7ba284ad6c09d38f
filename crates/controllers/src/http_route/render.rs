//! An HTTPRoute as a dynamic configuration file of Traefik.
//!
//! Matching follows Traefik's own Gateway API provider (`traefik:pkg/provider/kubernetes/gateway/httproute.go@v3.7`): a
//! PathPrefix of the Gateway API ends at a `/`, Traefik's does not. Traefik reads the file as a Go template, so a text
//! that could be one is refused.

use std::collections::{BTreeMap, BTreeSet};

use kube::ResourceExt;
use resources::HttpRoute;
use resources::http_route::{
    DEFAULT_WEIGHT, HttpBackendRef, HttpRouteMatch, HttpRouteRule, HttpValueMatch, PathMatchType,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::backends::{Table, url};

/// Traefik's own entry point, where it answers for itself (`--ping`), and the service that answers there.
const OWN_ENTRY_POINT: &str = "traefik";
const PING: &str = "ping@internal";
/// How long Traefik keeps a connection that nothing goes over: less than kserve's server does (65 s), so that no request
/// goes to a closed one.
const IDLE: &str = "30s";

/// A route as Traefik gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rendered {
    /// The file's text.
    pub(crate) text: String,
    /// Path on Traefik's own entry point that answers 200 once this very text is in force: it carries the text's digest.
    pub(crate) witness: String,
    /// Every port that the text leads to.
    pub(crate) ports: BTreeSet<u16>,
}

/// Why a route, or a part of it, has no counterpart: a reason of the Gateway API and a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

#[derive(Serialize, Deserialize)]
struct Document {
    http: Http,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Http {
    routers: BTreeMap<String, Router>,
    services: BTreeMap<String, TraefikService>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    servers_transports: BTreeMap<String, Transport>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Router {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    entry_points: Vec<String>,
    rule: String,
    service: String,
    priority: usize,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum TraefikService {
    Weighted { services: Vec<Weighted> },
    LoadBalancer(LoadBalancer),
}

#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct LoadBalancer {
    servers: Vec<Server>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    servers_transport: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Transport {
    forwarding_timeouts: ForwardingTimeouts,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ForwardingTimeouts {
    response_header_timeout: String,
    idle_conn_timeout: String,
}

#[derive(Serialize, Deserialize)]
struct Weighted {
    name: String,
    weight: i32,
}

#[derive(Serialize, Deserialize)]
struct Server {
    url: String,
}

impl Http {
    fn ports(&self) -> BTreeSet<u16> {
        let servers = self.services.values().filter_map(|service| match service {
            TraefikService::LoadBalancer(balancer) => Some(&balancer.servers),
            TraefikService::Weighted { .. } => None,
        });
        let port = |server: &Server| server.url.rsplit_once(':')?.1.parse().ok();
        servers.flatten().filter_map(port).collect()
    }
}

/// The file's name for a route.
pub(crate) fn file_name(namespace: &str, name: &str) -> String {
    format!("{namespace}.{name}.yml")
}

/// The route's file.
///
/// # Errors
/// The first part that Traefik cannot be told.
pub(crate) fn render(route: &HttpRoute, table: &Table) -> Result<Rendered, Refusal> {
    let draft = document(route, table, "")?;
    let digest = hex::encode(&Sha256::digest(text(&draft))[..4]);
    let suffix = format!("-{digest}");
    let mut named = document(route, table, &suffix)?;
    let own = format!("{}-{}", route.namespace().unwrap_or_default(), route.name_any());
    let witness = format!("/routes/{own}{suffix}");
    named.http.routers.insert(
        format!("{own}-witness{suffix}"),
        Router {
            entry_points: vec![OWN_ENTRY_POINT.to_owned()],
            rule: format!("Path(`{witness}`)"),
            service: PING.to_owned(),
            priority: 1,
        },
    );
    Ok(Rendered {
        text: text(&named),
        witness,
        ports: named.http.ports(),
    })
}

/// Ports that a file written by [`render`] leads to, possibly by an earlier version; none where it cannot be read.
pub(crate) fn ports_of(text: &str) -> BTreeSet<u16> {
    serde_json::from_str::<Document>(text).map_or_else(|_| BTreeSet::new(), |document| document.http.ports())
}

/// Backends that cannot be found, told as the Gateway API does; `None` where all are there.
pub(crate) fn unresolved(route: &HttpRoute, table: &Table) -> Option<Refusal> {
    let namespace = route.namespace().unwrap_or_default();
    let refs = route.spec.rules.iter().flat_map(|rule| &rule.backend_refs);
    for backend in refs {
        let kind = backend.kind.as_deref().unwrap_or("Service");
        let group = backend.group.as_deref().unwrap_or_default();
        if kind != "Service" || !group.is_empty() {
            return Some(Refusal {
                reason: "InvalidKind",
                message: format!("backend {}: {group}/{kind} is no Service", backend.name),
            });
        }
        if backend
            .namespace
            .as_ref()
            .is_some_and(|other| *other != namespace)
        {
            return Some(Refusal {
                reason: "RefNotPermitted",
                message: format!("backend {}: is in another namespace than the route", backend.name),
            });
        }
        if !table.contains_key(&(namespace.clone(), backend.name.clone())) {
            return Some(Refusal {
                reason: "BackendNotFound",
                message: format!(
                    "Service {} does not exist in namespace {namespace}: no InferenceService makes it",
                    backend.name
                ),
            });
        }
    }
    None
}

fn document(route: &HttpRoute, table: &Table, suffix: &str) -> Result<Document, Refusal> {
    let namespace = route.namespace().unwrap_or_default();
    let name = format!("{namespace}-{}", route.name_any());
    let hosts = hosts(&route.spec.hostnames)?;
    let mut http = Http {
        routers: BTreeMap::new(),
        services: BTreeMap::new(),
        servers_transports: BTreeMap::new(),
    };
    for (index, rule) in route.spec.rules.iter().enumerate() {
        refuse_the_unsupported(index, rule)?;
        let service = format!("{name}-{index}{suffix}");
        let any = [HttpRouteMatch::default()];
        let matches = if rule.matches.is_empty() {
            &any[..]
        } else {
            &rule.matches
        };
        for (number, pattern) in matches.iter().enumerate() {
            let at = format!("spec.rules[{index}].matches[{number}]");
            let (rule, priority) = pattern_rule(&at, pattern, hosts.as_deref())?;
            http.routers.insert(
                format!("{name}-{index}-{number}{suffix}"),
                Router {
                    entry_points: Vec::new(),
                    rule,
                    service: service.clone(),
                    priority,
                },
            );
        }
        let transport = transport(rule).map(|transport| {
            http.servers_transports.insert(service.clone(), transport);
            service.clone()
        });
        let mut weighted = Vec::new();
        for (number, backend) in rule.backend_refs.iter().enumerate() {
            let own = format!("{name}-{index}-backend-{number}{suffix}");
            let balancer = LoadBalancer {
                servers: servers(&namespace, backend, table),
                servers_transport: transport.clone(),
            };
            http.services
                .insert(own.clone(), TraefikService::LoadBalancer(balancer));
            let weight = backend.weight.unwrap_or(DEFAULT_WEIGHT);
            if weight > 0 {
                weighted.push(Weighted { name: own, weight });
            }
        }
        // Nobody has a share: like a Service without anybody ready, 503.
        let answering = match weighted.is_empty() {
            true => TraefikService::LoadBalancer(LoadBalancer::default()),
            false => TraefikService::Weighted { services: weighted },
        };
        http.services.insert(service, answering);
    }
    Ok(Document { http })
}

fn servers(namespace: &str, backend: &HttpBackendRef, table: &Table) -> Vec<Server> {
    let ports = table.get(&(namespace.to_owned(), backend.name.clone()));
    let server = |port: &u16| Server { url: url(*port) };
    ports.into_iter().flatten().map(server).collect()
}

/// The rule's time limit: Traefik ends a request with 504 whose answer has not begun by then. Zero is none.
fn transport(rule: &HttpRouteRule) -> Option<Transport> {
    let timeouts = rule.timeouts.as_ref()?;
    // One attempt is all there is, and its limit is never the longer one.
    let limit = timeouts.backend_request.as_ref().or(timeouts.request.as_ref())?;
    let is_zero = limit
        .bytes()
        .filter(u8::is_ascii_digit)
        .all(|digit| digit == b'0');
    (!is_zero).then(|| Transport {
        forwarding_timeouts: ForwardingTimeouts {
            response_header_timeout: limit.clone(),
            idle_conn_timeout: IDLE.to_owned(),
        },
    })
}

fn refuse_the_unsupported(index: usize, rule: &HttpRouteRule) -> Result<(), Refusal> {
    let at = format!("spec.rules[{index}]");
    for (field, set) in [
        ("filters", !rule.filters.is_empty()),
        ("retry", rule.retry.is_some()),
        ("sessionPersistence", rule.session_persistence.is_some()),
        (
            "backendRefs.filters",
            rule.backend_refs
                .iter()
                .any(|backend| !backend.filters.is_empty()),
        ),
    ] {
        if set {
            return Err(unsupported(&format!("{at}.{field}"), "it"));
        }
    }
    Ok(())
}

/// The Traefik rule of a match, and its rank: exact before prefix, longer before shorter, then method, then headers and
/// queries by their number (`gateway-api:apis/v1/httproute_types.go@v1.5.1`, precedence of matches).
fn pattern_rule(at: &str, pattern: &HttpRouteMatch, hosts: Option<&str>) -> Result<(String, usize), Refusal> {
    let path = pattern.path.clone().unwrap_or_default();
    let value = path.value.as_deref().unwrap_or("/");
    let text = quoted(&format!("{at}.path.value"), value)?;
    let (rule, exact) = match path.type_.unwrap_or(PathMatchType::PathPrefix) {
        PathMatchType::Exact => (format!("Path({text})"), 1),
        PathMatchType::PathPrefix => match value.trim_end_matches('/') {
            "" => ("PathPrefix(`/`)".to_owned(), 0),
            trimmed => (format!("(Path(`{trimmed}`) || PathPrefix(`{trimmed}/`))"), 0),
        },
        other => return Err(unsupported(&format!("{at}.path.type"), other.as_str())),
    };
    let mut parts: Vec<String> = hosts.map(str::to_owned).into_iter().collect();
    parts.push(rule);
    if let Some(method) = &pattern.method {
        parts.push(format!("Method({})", quoted(&format!("{at}.method"), method)?));
    }
    for (field, function, values) in [
        ("headers", "Header", &pattern.headers),
        ("queryParams", "Query", &pattern.query_params),
    ] {
        for value in values {
            parts.push(value_rule(&format!("{at}.{field}"), function, value)?);
        }
    }
    let rank = [
        exact,
        value.len().min(4095),
        usize::from(pattern.method.is_some()),
        pattern.headers.len().min(15),
        pattern.query_params.len().min(15),
    ];
    let weights = [1 << 21, 1 << 9, 1 << 8, 1 << 4, 1];
    let priority = rank
        .iter()
        .zip(weights)
        .map(|(rank, weight)| rank * weight)
        .sum::<usize>();
    // Traefik takes 0 for "work it out yourself".
    Ok((parts.join(" && "), priority + 1))
}

fn value_rule(at: &str, function: &str, value: &HttpValueMatch) -> Result<String, Refusal> {
    match value.type_.as_deref() {
        None | Some("Exact") => Ok(format!(
            "{function}({}, {})",
            quoted(at, &value.name)?,
            quoted(at, &value.value)?
        )),
        Some(other) => Err(unsupported(at, other)),
    }
}

fn hosts(names: &[String]) -> Result<Option<String>, Refusal> {
    let mut rules = Vec::new();
    for name in names {
        if name.starts_with('*') {
            return Err(unsupported("spec.hostnames", name));
        }
        rules.push(format!("Host({})", quoted("spec.hostnames", name)?));
    }
    Ok((!rules.is_empty()).then(|| format!("({})", rules.join(" || "))))
}

/// The text between back quotes, as Traefik's rules have it.
fn quoted(field: &str, text: &str) -> Result<String, Refusal> {
    if text.contains('`') || text.contains("{{") || text.chars().any(char::is_control) {
        return Err(unsupported(field, &format!("{text:?}")));
    }
    Ok(format!("`{text}`"))
}

fn unsupported(field: &str, what: &str) -> Refusal {
    Refusal {
        reason: "UnsupportedValue",
        message: format!("{field}: {what} is not carried out on this rung"),
    }
}

/// JSON, which is YAML, and has no tags of its own for enums.
fn text(document: &Document) -> String {
    serde_json::to_string_pretty(document).expect("invariant: strings, numbers, maps and lists serialise")
}

#[cfg(test)]
mod tests;
