//! Rules of names that several kinds share.

use crate::FieldError;

/// A name that becomes a Service's: a lower-case letter first, letters, digits and dashes after, no dash last
/// (RFC 1035, which Katib and KServe check with `^[a-z]([-a-z0-9]*[a-z0-9])?$`).
pub(crate) fn check_label(field: &str, name: &str, longest: usize, errors: &mut Vec<FieldError>) {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.chars().all(inner) || name.ends_with('-')
    {
        errors.push(FieldError::new(
            field,
            format!("{name:?} must be lower-case letters, digits and dashes, beginning with a letter and not ending with a dash"),
        ));
    }
    if name.len() > longest {
        errors.push(FieldError::new(
            field,
            format!("{name:?} is longer than {longest} characters"),
        ));
    }
}

/// A value that upstream does not know.
pub(crate) fn check_known(field: &str, value: &str, known: &[&str], errors: &mut Vec<FieldError>) {
    if !known.contains(&value) {
        errors.push(FieldError::new(
            field,
            format!("{value:?} must be one of {}", known.join(", ")),
        ));
    }
}
