//! The cell of a print column: what its JSONPath finds.

use jsonpath_rust::JsonPath;
use resources::Column;
use serde_json::{Value, json};

use super::age::age;

/// A column's cell; null where the path finds nothing.
pub(super) fn cell(column: &Column, object: &Value) -> Value {
    let path = format!("${}", column.path);
    let Ok(found) = object.query(&path) else {
        return Value::Null;
    };
    let Some(first) = found.first() else {
        return Value::Null;
    };
    match column.type_.as_str() {
        "date" => json!(age(first)),
        "integer" | "number" | "boolean" => (*first).clone(),
        _ => {
            let texts: Vec<_> = found
                .iter()
                .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
                .collect();
            json!(texts.join(" "))
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(".status.conditions[-1:].type", "string", json!("Running"))]
    #[case(".status.conditions[?(@.type=='Created')].status", "string", json!("True"))]
    #[case(".spec.rules[*].backendRefs[*].weight", "string", json!("90 10"))]
    #[case(".spec.maxTrialCount", "integer", json!(20))]
    #[case(".spec.hostnames", "string", json!("[\"a\",\"b\"]"))]
    #[case(".status.nothing", "string", Value::Null)]
    fn paths_find_cells(#[case] path: &str, #[case] type_: &str, #[case] expected: Value) {
        let object = json!({
            "spec": {
                "maxTrialCount": 20,
                "hostnames": ["a", "b"],
                "rules": [{"backendRefs": [{"weight": 90}, {"weight": 10}]}]
            },
            "status": {"conditions": [{"type": "Created", "status": "True"}, {"type": "Running", "status": "False"}]}
        });
        let column = Column {
            name: "x".into(),
            type_: type_.into(),
            description: String::new(),
            priority: 0,
            path: path.into(),
        };
        assert_eq!(cell(&column, &object), expected);
    }
}
