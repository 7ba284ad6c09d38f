//! A change to an object: JSON patch, merge patch, strategic merge patch.

mod strategic;

use serde_json::Value;

use super::replace::{Owners, replace};
use super::{Author, Target, Written};
use crate::failure::Failure;
use crate::fields::Operation;
use crate::schema::Node;
use crate::store::Store;

/// A change.
#[derive(Clone, Debug)]
pub(crate) enum Patch {
    /// RFC 6902.
    Json(json_patch::Patch),
    /// RFC 7386.
    Merge(Value),
    /// Kubernetes' own, for its own kinds.
    Strategic(Value),
}

/// Changes an object. The patch is about the object as its kind serves it.
///
/// # Errors
///
/// 404 when there is none, 409 when the patch names another version, 422 when it cannot be applied or its result breaks
/// a rule.
pub(crate) async fn patch(
    store: &Store,
    target: Target,
    author: Author,
    patch: Patch,
) -> Result<Written, Failure> {
    let keep = author.keep;
    store
        .write(keep, move |transaction| {
            let kind = target.kind;
            let live = transaction
                .get(&kind.stored_as, &target.namespace, &target.name)?
                .ok_or_else(|| Failure::not_found(kind, &target.name))?;
            let mut object = kind.served(live.value().clone());
            patch.change(&kind.node, &mut object).map_err(|why| {
                let error = resources::FieldError::new("patch", why);
                Failure::invalid(kind, &target.name, &[error])
            })?;
            let manager = target.manager(&author, Operation::Update);
            replace(
                transaction,
                &target,
                &live,
                kind.stored(object),
                &Owners::Changed(&manager),
            )
        })
        .await
}

impl Patch {
    fn change(&self, node: &Node, object: &mut Value) -> Result<(), String> {
        match self {
            Self::Json(patch) => patch.0.iter().try_for_each(|operation| change(object, operation)),
            Self::Merge(patch) => {
                json_patch::merge(object, patch);
                Ok(())
            }
            Self::Strategic(patch) => strategic::merge(node, object, patch),
        }
    }
}

/// Carries one operation of a JSON patch out.
fn change(object: &mut Value, operation: &json_patch::PatchOperation) -> Result<(), String> {
    // Kubernetes takes what is absent for null, and kube-rs' finalizers test for that.
    if let json_patch::PatchOperation::Test(test) = operation
        && test.value.is_null()
        && object.pointer(test.path.as_str()).is_none()
    {
        return Ok(());
    }
    json_patch::patch(object, std::slice::from_ref(operation)).map_err(|error| error.to_string())
}
