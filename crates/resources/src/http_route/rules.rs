//! What an HTTPRoute must keep: the patterns and limits of the Gateway API's own definition
//! (`apis/v1/{httproute_types,shared_types,object_reference_types}.go@v1.5.1`).

use std::collections::BTreeSet;

use super::{HttpBackendRef, HttpPathMatch, HttpRoute, PathMatchType};
use crate::FieldError;
use crate::names::check_known;

/// Largest weight of a backend.
const LARGEST_WEIGHT: i32 = 1_000_000;
/// Most rules of a route, and most backends of a rule.
const MOST: usize = 16;
const METHODS: &[&str] = &[
    "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH",
];

/// Every broken rule of an HTTPRoute; none when it may be created.
#[must_use]
pub fn validate(route: &HttpRoute) -> Vec<FieldError> {
    let spec = &route.spec;
    let mut errors = Vec::new();
    for (index, parent) in spec.parent_refs.iter().enumerate() {
        let at = format!("spec.parentRefs[{index}]");
        if parent.name.is_empty() {
            errors.push(FieldError::new(format!("{at}.name"), "must be set"));
        }
        check_port(&format!("{at}.port"), parent.port, &mut errors);
    }
    if spec.rules.len() > MOST {
        errors.push(FieldError::new(
            "spec.rules",
            format!("must not be more than {MOST}"),
        ));
    }
    for (index, rule) in spec.rules.iter().enumerate() {
        let at = format!("spec.rules[{index}]");
        for (index, pattern) in rule.matches.iter().enumerate() {
            let at = format!("{at}.matches[{index}]");
            if let Some(path) = &pattern.path {
                check_path(&format!("{at}.path"), path, &mut errors);
            }
            if let Some(method) = &pattern.method {
                check_known(&format!("{at}.method"), method, METHODS, &mut errors);
            }
        }
        check_backends(&at, &rule.backend_refs, &mut errors);
        let Some(timeouts) = &rule.timeouts else { continue };
        let request = check_duration(
            &format!("{at}.timeouts.request"),
            timeouts.request.as_deref(),
            &mut errors,
        );
        let field = format!("{at}.timeouts.backendRequest");
        let backend = check_duration(&field, timeouts.backend_request.as_deref(), &mut errors);
        if let (Some(request), Some(backend)) = (request, backend)
            && request > 0
            && backend > request
        {
            errors.push(FieldError::new(field, "must not exceed timeouts.request"));
        }
    }
    errors
}

fn check_backends(at: &str, backends: &[HttpBackendRef], errors: &mut Vec<FieldError>) {
    if backends.len() > MOST {
        errors.push(FieldError::new(
            format!("{at}.backendRefs"),
            format!("must not be more than {MOST}"),
        ));
    }
    let mut seen = BTreeSet::new();
    for (index, backend) in backends.iter().enumerate() {
        let at = format!("{at}.backendRefs[{index}]");
        if backend.name.is_empty() {
            errors.push(FieldError::new(format!("{at}.name"), "must be set"));
        }
        let is_service = backend.group.as_deref().unwrap_or_default().is_empty()
            && backend.kind.as_deref().is_none_or(|kind| kind == "Service");
        if is_service && backend.port.is_none() {
            errors.push(FieldError::new(format!("{at}.port"), "must be set for a Service"));
        }
        check_port(&format!("{at}.port"), backend.port, errors);
        if let Some(weight) = backend
            .weight
            .filter(|weight| !(0..=LARGEST_WEIGHT).contains(weight))
        {
            errors.push(FieldError::new(
                format!("{at}.weight"),
                format!("{weight} must be 0 to {LARGEST_WEIGHT}"),
            ));
        }
        if !seen.insert((
            &backend.group,
            &backend.kind,
            &backend.namespace,
            &backend.name,
            backend.port,
        )) {
            // Upstream leaves it to the implementation; two shares of one backend are one typing error.
            errors.push(FieldError::new(
                format!("{at}.name"),
                format!("{:?} is already in the list", backend.name),
            ));
        }
    }
}

fn check_port(field: &str, port: Option<i32>, errors: &mut Vec<FieldError>) {
    if let Some(port) = port.filter(|port| !(1..=65535).contains(port)) {
        errors.push(FieldError::new(field, format!("{port} must be 1 to 65535")));
    }
}

fn check_path(at: &str, path: &HttpPathMatch, errors: &mut Vec<FieldError>) {
    let type_ = path.type_.clone().unwrap_or(PathMatchType::PathPrefix);
    check_known(
        &format!("{at}.type"),
        type_.as_str(),
        PathMatchType::KNOWN,
        errors,
    );
    let value = path.value.as_deref().unwrap_or("/");
    if type_ == PathMatchType::RegularExpression {
        return;
    }
    let field = format!("{at}.value");
    if !value.starts_with('/') {
        errors.push(FieldError::new(&field, format!("{value:?} must begin with /")));
    }
    let parts = ["//", "/./", "/../", "%2f", "%2F", "#"];
    let tails = ["/..", "/."];
    let found = parts
        .iter()
        .find(|part| value.contains(**part))
        .or(tails.iter().find(|tail| value.ends_with(**tail)));
    if let Some(part) = found {
        errors.push(FieldError::new(
            &field,
            format!("{value:?} must not hold {part:?}"),
        ));
    }
}

/// Milliseconds of a Gateway API duration: one to four numbers of at most five digits, each with h, m, s or ms.
fn check_duration(field: &str, text: Option<&str>, errors: &mut Vec<FieldError>) -> Option<u64> {
    let text = text?;
    let parsed = milliseconds(text);
    if parsed.is_none() {
        errors.push(FieldError::new(
            field,
            format!("{text:?} must be a duration like 10s or 1m30s"),
        ));
    }
    parsed
}

fn milliseconds(text: &str) -> Option<u64> {
    let mut rest = text;
    let mut total = 0;
    let mut parts = 0;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, tail) = rest.split_at(digits);
        let unit = tail.len() - tail.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
        let (unit, tail) = tail.split_at(unit);
        let scale = match unit {
            "h" => 3_600_000,
            "m" => 60_000,
            "s" => 1_000,
            "ms" => 1,
            _ => return None,
        };
        if !(1..=5).contains(&digits) {
            return None;
        }
        total += number.parse::<u64>().ok()? * scale;
        parts += 1;
        rest = tail;
    }
    (1..=4).contains(&parts).then_some(total)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::milliseconds;

    #[rstest]
    #[case("10s", Some(10_000))]
    #[case("1m30s", Some(90_000))]
    #[case("0s", Some(0))]
    #[case("1h1m1s1ms", Some(3_661_001))]
    #[case("", None)]
    #[case("10", None)]
    #[case("123456s", None)]
    #[case("1.5s", None)]
    #[case("1s1s1s1s1s", None)]
    fn durations(#[case] text: &str, #[case] expected: Option<u64>) {
        assert_eq!(milliseconds(text), expected);
    }
}
