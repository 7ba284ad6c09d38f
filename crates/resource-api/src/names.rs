//! Names, labels and annotations that Kubernetes accepts (`apimachinery/pkg/util/validation/validation.go`).

use resources::FieldError;
use serde_json::Value;

use crate::object::Object;

/// Longest name, and longest value of a label.
const LONGEST_NAME: usize = 253;
const LONGEST_LABEL: usize = 63;
/// Longest base of a generated name; five characters are added.
const LONGEST_BASE: usize = LONGEST_NAME - 5;
/// Most that keys and values of all annotations may have in bytes.
const LARGEST_ANNOTATIONS: usize = 256 * 1024;

/// Whether this may name an object (a DNS subdomain).
pub(crate) fn is_name(name: &str) -> bool {
    name.len() <= LONGEST_NAME && name.split('.').all(is_label_text)
}

/// Whether this may name a namespace (a DNS label).
pub(crate) fn is_namespace(name: &str) -> bool {
    name.len() <= LONGEST_LABEL && is_label_text(name)
}

fn is_label_text(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !text.is_empty() && text.chars().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

/// A name with this beginning that nobody else has.
pub(crate) fn generate(base: &str) -> String {
    // Kubernetes' own alphabet: no vowels, so that no word comes out.
    const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let base: String = base.chars().take(LONGEST_BASE).collect();
    let random = uuid::Uuid::new_v4();
    let tail = random.as_bytes()[..5]
        .iter()
        .map(|byte| ALPHABET[usize::from(*byte) % ALPHABET.len()] as char);
    base.chars().chain(tail).collect()
}

/// Every rule that an object's metadata breaks.
pub(crate) fn check_metadata(object: &Object) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if !is_name(object.name()) {
        let why = format!(
            "{:?} must be lower-case letters, digits, dashes and dots, beginning and ending with a letter or digit",
            object.name()
        );
        errors.push(FieldError::new("metadata.name", why));
    }
    let metadata = object.metadata();
    let map = |field: &str| {
        metadata
            .get(field)
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
    };
    for (key, value) in map("labels") {
        let at = format!("metadata.labels[{key}]");
        if !is_key(key) {
            errors.push(FieldError::new(&at, "is not a label's key"));
        }
        let value = value.as_str().unwrap_or_default();
        if !value.is_empty() && !is_plain_name(value) {
            errors.push(FieldError::new(at, format!("{value:?} is not a label's value")));
        }
    }
    let mut size = 0;
    for (key, value) in map("annotations") {
        size += key.len() + value.as_str().unwrap_or_default().len();
        // Annotations' keys may have capitals, labels' may too; the prefix may not.
        if !is_key(key) {
            errors.push(FieldError::new(
                format!("metadata.annotations[{key}]"),
                "is not an annotation's key",
            ));
        }
    }
    if size > LARGEST_ANNOTATIONS {
        let why = format!("have {size} bytes, and must not exceed {LARGEST_ANNOTATIONS}");
        errors.push(FieldError::new("metadata.annotations", why));
    }
    for (index, finalizer) in object.finalizers().iter().enumerate() {
        if !is_key(finalizer) {
            let why = format!("{finalizer:?} is not a finalizer's name");
            errors.push(FieldError::new(format!("metadata.finalizers[{index}]"), why));
        }
    }
    errors
}

/// A name, or a DNS subdomain, a slash and a name.
fn is_key(key: &str) -> bool {
    match key.split_once('/') {
        Some((prefix, name)) => is_name(&prefix.to_lowercase()) && is_plain_name(name),
        None => is_plain_name(key),
    }
}

fn is_plain_name(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let edge = |c: char| c.is_ascii_alphanumeric();
    !name.is_empty()
        && name.len() <= LONGEST_LABEL
        && name.chars().all(inner)
        && name.starts_with(edge)
        && name.ends_with(edge)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("tune-0123", true)]
    #[case("a.b-c", true)]
    #[case("", false)]
    #[case("-a", false)]
    #[case("a..b", false)]
    #[case("../etc/passwd", false)]
    #[case("A", false)]
    #[case("a%2fb", false)]
    fn names(#[case] name: &str, #[case] expected: bool) {
        assert_eq!(is_name(name), expected);
    }

    #[rstest]
    #[case("app", true)]
    #[case("kubectl.kubernetes.io/last-applied-configuration", true)]
    #[case("a/b/c", false)]
    #[case("/a", false)]
    #[case("a ", false)]
    fn keys(#[case] key: &str, #[case] expected: bool) {
        assert_eq!(is_key(key), expected);
    }

    #[test]
    fn generated_names_are_names_and_differ() {
        let (one, other) = (generate("trial-"), generate("trial-"));
        assert!(is_name(&one) && one.len() == "trial-".len() + 5, "{one}");
        assert_ne!(one, other);
    }
}
