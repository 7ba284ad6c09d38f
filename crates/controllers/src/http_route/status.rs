//! What the gateway says of a route.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::ResourceExt;
use resources::HttpRoute;
use resources::http_route::{HttpRouteStatus, ParentReference, RouteParentStatus};

use super::render::Refusal;

/// Name of the gateway that Traefik is on this rung, and its namespace. Kind Gateway itself is not served.
pub(crate) const GATEWAY: &str = "basecamp";
pub(crate) const GATEWAY_NAMESPACE: &str = "serving";
/// Who speaks in the status.
pub(crate) const CONTROLLER: &str = "basecamp.dev/gateway-controller";

/// How far a route is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Acceptance {
    /// In force.
    Accepted,
    /// Traefik does not have it yet.
    Pending,
    /// It never will be.
    Refused(Refusal),
}

/// The parents of a route that are this gateway.
pub(crate) fn own_parents(route: &HttpRoute) -> Vec<&ParentReference> {
    let namespace = route.namespace().unwrap_or_default();
    let own = |parent: &&ParentReference| {
        let group = parent.group.as_deref().unwrap_or("gateway.networking.k8s.io");
        let of_gateway =
            parent.kind.as_deref().unwrap_or("Gateway") == "Gateway" && group == "gateway.networking.k8s.io";
        let namespace = parent.namespace.as_deref().unwrap_or(&namespace);
        of_gateway && parent.name == GATEWAY && namespace == GATEWAY_NAMESPACE
    };
    route.spec.parent_refs.iter().filter(own).collect()
}

/// The status with this gateway's word in it; other gateways' stay as they are.
pub(crate) fn status(
    route: &HttpRoute,
    acceptance: &Acceptance,
    unresolved: Option<&Refusal>,
    now: &Time,
) -> HttpRouteStatus {
    let before = route.status.clone().unwrap_or_default();
    let generation = route.metadata.generation;
    let (accepted, reason, message) = match acceptance {
        Acceptance::Accepted => ("True", "Accepted", "The route is in force."),
        Acceptance::Pending => ("Unknown", "Pending", "Traefik does not have the route yet."),
        Acceptance::Refused(refusal) => ("False", refusal.reason, refusal.message.as_str()),
    };
    let (resolved, why, told) = match unresolved {
        None => ("True", "ResolvedRefs", "All backends exist."),
        Some(refusal) => ("False", refusal.reason, refusal.message.as_str()),
    };
    let own = own_parents(route).into_iter().map(|parent| {
        let known = before
            .parents
            .iter()
            .find(|known| known.controller_name == CONTROLLER && known.parent_ref == *parent);
        let condition = |type_: &str, status: &str, reason: &str, message: &str| {
            let previous =
                known.and_then(|known| known.conditions.iter().find(|condition| condition.type_ == type_));
            let since = previous
                .filter(|previous| previous.status == status)
                .map(|previous| previous.last_transition_time.clone());
            Condition {
                type_: type_.to_owned(),
                status: status.to_owned(),
                reason: reason.to_owned(),
                message: message.to_owned(),
                observed_generation: generation,
                last_transition_time: since.unwrap_or_else(|| now.clone()),
            }
        };
        RouteParentStatus {
            parent_ref: parent.clone(),
            controller_name: CONTROLLER.to_owned(),
            conditions: vec![
                condition("Accepted", accepted, reason, message),
                condition("ResolvedRefs", resolved, why, told),
            ],
        }
    });
    let others = before
        .parents
        .iter()
        .filter(|parent| parent.controller_name != CONTROLLER)
        .cloned();
    HttpRouteStatus {
        parents: others.chain(own).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::{Value, json};

    fn route(parents: &Value, status: &Value) -> HttpRoute {
        serde_json::from_value(json!({
            "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
            "metadata": {"name": "commits", "namespace": "serving", "generation": 3},
            "spec": {"parentRefs": parents}, "status": status,
        }))
        .unwrap()
    }

    #[rstest]
    #[case(json!([{"name": "basecamp"}]), 1)]
    #[case(json!([{"name": "basecamp", "namespace": "serving", "kind": "Gateway"}]), 1)]
    #[case(json!([{"name": "basecamp", "namespace": "other"}]), 0)]
    #[case(json!([{"name": "basecamp", "kind": "Service", "group": ""}]), 0)]
    #[case(json!([{"name": "other"}, {"name": "basecamp"}]), 1)]
    #[case(json!([]), 0)]
    fn own_parents_are_found(#[case] parents: Value, #[case] expected: usize) {
        assert_eq!(own_parents(&route(&parents, &Value::Null)).len(), expected);
    }

    #[test]
    fn times_stay_while_a_condition_holds_and_others_are_left_alone() {
        let stranger = json!({"parentRef": {"name": "other"}, "controllerName": "else", "conditions": []});
        let begun = json!({"parents": [stranger]});
        let time = |text: &str| Time(text.parse().unwrap());
        let mut seen = route(&json!([{"name": "basecamp"}]), &begun);
        let pending = status(&seen, &Acceptance::Pending, None, &time("2026-01-01T00:00:00Z"));
        seen.status = Some(pending);
        let accepted = status(&seen, &Acceptance::Accepted, None, &time("2026-01-01T00:00:01Z"));
        assert!(
            accepted
                .parents
                .iter()
                .any(|parent| parent.controller_name == "else")
        );
        let own = &accepted.parents[1].conditions;
        let shown: Vec<String> = own
            .iter()
            .map(|condition| {
                format!(
                    "{} {} {} {}",
                    condition.type_, condition.status, condition.reason, condition.last_transition_time.0
                )
            })
            .collect();
        assert_eq!(
            shown,
            [
                "Accepted True Accepted 2026-01-01T00:00:01Z",
                "ResolvedRefs True ResolvedRefs 2026-01-01T00:00:00Z",
            ]
        );
        assert_eq!(own[0].observed_generation, Some(3));
        seen.status = Some(accepted.clone());
        assert_eq!(
            status(&seen, &Acceptance::Accepted, None, &time("2026-01-02T00:00:00Z")),
            accepted
        );
    }

    #[test]
    fn refusals_are_told() {
        let refusal = |reason, message: &str| Refusal {
            reason,
            message: message.to_owned(),
        };
        let seen = route(&json!([{"name": "basecamp"}]), &Value::Null);
        let refused = Acceptance::Refused(refusal("UnsupportedValue", "spec.x: y"));
        let missing = refusal("BackendNotFound", "Service z does not exist");
        let told = status(
            &seen,
            &refused,
            Some(&missing),
            &Time("2026-01-01T00:00:00Z".parse().unwrap()),
        );
        let shown: Vec<String> = told.parents[0]
            .conditions
            .iter()
            .map(|condition| format!("{} {}: {}", condition.status, condition.reason, condition.message))
            .collect();
        assert_eq!(
            shown,
            [
                "False UnsupportedValue: spec.x: y",
                "False BackendNotFound: Service z does not exist"
            ]
        );
        assert!(!told.accepted(3));
    }
}
