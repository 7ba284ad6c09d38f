//! One object.

use serde_json::Value;

use super::Target;
use crate::failure::Failure;
use crate::store::Store;

/// The object, as it is now.
///
/// # Errors
///
/// 404 when there is none.
pub(crate) async fn get(store: &Store, target: &Target) -> Result<Value, Failure> {
    let found = store
        .get(&target.kind.stored_as, &target.namespace, &target.name)
        .await?;
    let object = found.ok_or_else(|| Failure::not_found(target.kind, &target.name))?;
    Ok(target.kind.served(object.into_value()))
}
