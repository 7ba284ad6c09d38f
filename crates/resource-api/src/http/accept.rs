//! In which shape a client wants its answer.

use axum::http::{HeaderMap, header};

use crate::failure::Failure;

/// The shape of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Objects whole.
    Whole,
    /// Rows and columns, for people.
    Table,
    /// Objects with metadata alone.
    Partial,
    /// Discovery of all groups at once, in this version of it.
    Discovery(&'static str),
}

const ACCEPTED: &str = "application/json";

/// The first shape of the client's list that can be served. Lists are in the client's order; no client weighs.
///
/// # Errors
///
/// 406 when none can.
pub(crate) fn shape(headers: &HeaderMap) -> Result<Shape, Failure> {
    let wanted = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let mut any = false;
    for range in wanted.flat_map(|value| value.split(',')) {
        any = true;
        if let Some(shape) = parse(range) {
            return Ok(shape);
        }
    }
    if any {
        Err(Failure::not_acceptable(ACCEPTED))
    } else {
        Ok(Shape::Whole)
    }
}

fn parse(range: &str) -> Option<Shape> {
    let mut parts = range.split(';').map(str::trim);
    match parts.next()? {
        "application/json" | "application/*" | "*/*" => {}
        _ => return None,
    }
    let parameters: Vec<_> = parts.filter_map(|part| part.split_once('=')).collect();
    let get = |name: &str| {
        parameters
            .iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| *value)
    };
    match (get("as"), get("g"), get("v")) {
        (None, ..) => Some(Shape::Whole),
        (Some("Table"), Some("meta.k8s.io"), Some("v1")) => Some(Shape::Table),
        (Some("PartialObjectMetadata" | "PartialObjectMetadataList"), Some("meta.k8s.io"), Some("v1")) => {
            Some(Shape::Partial)
        }
        (Some("APIGroupDiscoveryList"), Some("apidiscovery.k8s.io"), Some("v2")) => {
            Some(Shape::Discovery("v2"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(None, Some(Shape::Whole))]
    #[case(Some("*/*"), Some(Shape::Whole))]
    #[case(
        Some("application/vnd.kubernetes.protobuf,application/json"),
        Some(Shape::Whole)
    )]
    #[case(
        Some(
            "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json"
        ),
        Some(Shape::Table)
    )]
    #[case(
        Some("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"),
        Some(Shape::Partial)
    )]
    #[case(
        Some("application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"),
        Some(Shape::Discovery("v2"))
    )]
    #[case(Some("application/vnd.kubernetes.protobuf"), None)]
    fn the_first_that_can_be_served(#[case] accept: Option<&str>, #[case] expected: Option<Shape>) {
        let mut headers = HeaderMap::new();
        if let Some(accept) = accept {
            headers.insert(header::ACCEPT, accept.parse().unwrap());
        }
        assert_eq!(shape(&headers).ok(), expected);
    }
}
