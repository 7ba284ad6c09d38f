//! A whole object in the place of another.

use resources::FieldError;

use super::replace::{Owners, replace};
use super::{Author, Target, Written};
use crate::failure::Failure;
use crate::fields::Operation;
use crate::object::Object;
use crate::store::Store;

/// Writes an object, as it is stored, over the one that is there.
///
/// # Errors
///
/// 404 when there is none, 409 when it has another version than the client's, 422 when it breaks a rule.
pub(crate) async fn update(
    store: &Store,
    target: Target,
    author: Author,
    object: Object,
) -> Result<Written, Failure> {
    let keep = author.keep;
    store
        .write(keep, move |transaction| {
            let kind = target.kind;
            let live = transaction
                .get(&kind.stored_as, &target.namespace, &target.name)?
                .ok_or_else(|| Failure::not_found(kind, &target.name))?;
            // Kubernetes lets its own kinds be overwritten unseen, and no others.
            if object.resource_version().is_empty() && !kind.definition.built_in {
                let error = FieldError::new("metadata.resourceVersion", "must be specified for an update");
                return Err(Failure::invalid(kind, &target.name, &[error]));
            }
            let manager = target.manager(&author, Operation::Update);
            replace(
                transaction,
                &target,
                &live,
                object.into_value(),
                &Owners::Changed(&manager),
            )
        })
        .await
}
