//! Many objects' end.

use super::delete::{DeleteOptions, begin_deletion};
use super::list::List;
use crate::failure::Failure;
use crate::kinds::Kind;
use crate::selectors::Selection;
use crate::store::{Keep, Store};

/// Deletes every object of a selection, all at once, and tells what they were.
///
/// # Errors
///
/// 500 when the store fails; nothing is deleted then.
pub(crate) async fn delete_collection(
    store: &Store,
    kind: &'static Kind,
    selection: Selection,
    keep: Keep,
    options: DeleteOptions,
) -> Result<List, Failure> {
    store
        .write(keep, move |transaction| {
            let snapshot = transaction.list(&kind.stored_as, selection.namespace.as_deref())?;
            let mut items = Vec::new();
            for object in snapshot.items {
                let served = kind.served(object.value().clone());
                if selection.matches(&served) {
                    begin_deletion(transaction, &kind.stored_as, &object, options.propagation)?;
                    items.push(served);
                }
            }
            Ok(List {
                revision: snapshot.revision,
                items,
                token: None,
                remaining: None,
            })
        })
        .await
}
