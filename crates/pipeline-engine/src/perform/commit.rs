//! Makes decisions durable, many at a time, and lets go of what waited for that.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::{Performer, Reply, entry};
use crate::decide::{Effect, Row};
use crate::error::EngineError;
use crate::events;
use crate::model::RunId;
use crate::store::Store;

/// Decisions that become durable together.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) rows: Vec<Row>,
    pub(super) events: Vec<events::Event>,
    pub(super) effects: Vec<(RunId, Effect)>,
    pub(super) replies: Vec<Reply>,
}

/// A commit on its way to the disk.
pub(super) type Committing = Pin<Box<dyn Future<Output = (Batch, Result<(), EngineError>)> + Send>>;

impl Performer {
    /// Sends what is gathered on its way, unless something is.
    pub(super) fn commit_gathered(&mut self) {
        let batch = &self.gathered;
        if self.committing.is_some()
            || (batch.rows.is_empty() && batch.effects.is_empty() && batch.replies.is_empty())
        {
            return;
        }
        let batch = std::mem::take(&mut self.gathered);
        let store = self.shared.store.clone();
        self.committing = Some(Box::pin(async move {
            let rows = Arc::new((batch.rows, batch.events));
            let result = commit(&store, &rows).await;
            let (rows, events) = Arc::try_unwrap(rows).unwrap_or_else(|shared| (*shared).clone());
            (
                Batch {
                    rows,
                    events,
                    effects: batch.effects,
                    replies: batch.replies,
                },
                result,
            )
        }));
    }

    /// Does what waited for a commit.
    pub(super) fn committed(&mut self, batch: Batch, result: &Result<(), EngineError>) {
        if result.is_err() {
            // Only a closed store gives up.
            for reply in batch.replies {
                let _ = reply.send(Err(EngineError::Closed));
            }
            return;
        }
        for fingerprint in batch.rows.iter().filter_map(entry) {
            self.entering.remove(&fingerprint);
        }
        for reply in batch.replies {
            let _ = reply.send(Ok(()));
        }
        for event in batch.events {
            // Nobody listens: that is their choice.
            let _ = self.shared.events.send(event);
        }
        for (run, effect) in batch.effects {
            self.perform(run, effect);
        }
    }
}

/// Writes rows, and again and again where the database refuses: a full disk is emptied some time, and until then
/// nothing may be done that is not durable.
async fn commit(store: &Store, rows: &Arc<(Vec<Row>, Vec<events::Event>)>) -> Result<(), EngineError> {
    const PAUSE: Duration = Duration::from_secs(1);
    loop {
        match store.commit(Arc::clone(rows)).await {
            Ok(()) => return Ok(()),
            Err(EngineError::Closed) => return Err(EngineError::Closed),
            Err(error) => {
                tracing::error!("what was decided cannot be made durable, and waits for that: {error}");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
