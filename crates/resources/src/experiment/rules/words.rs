//! Words that a shell reads as they are.

use crate::FieldError;

/// Katib joins command and arguments with spaces and hands them to `sh -c`.
pub(super) fn check_word(field: &str, word: &str, errors: &mut Vec<FieldError>) {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c);
    if let Some(found) = word.chars().find(|c| !plain(*c)) {
        errors.push(FieldError::new(
            field,
            format!(
                "{word:?} holds {found:?}, which a shell may read otherwise: Katib hands it to sh unquoted"
            ),
        ));
    }
}
