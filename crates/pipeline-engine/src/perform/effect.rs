//! What is seen from outside: attempts begin and are stopped, folders go.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::Notify;

use super::{Message, Performer, Shared, answer, attempt};
use crate::decide::{Effect, Event, Order};
use crate::layout;
use crate::model::RunId;

impl Performer {
    /// Does what a decision asks for, now that the decision is durable.
    pub(super) fn perform(&mut self, run: RunId, effect: Effect) {
        match effect {
            Effect::Launch(order) => self.begin(order, attempt::launch),
            Effect::Attach(order) => self.begin(order, attempt::attach),
            Effect::Answer(order) => {
                let outbox = self.outbox.clone();
                let shared = Arc::clone(&self.shared);
                tokio::spawn(async move {
                    let (task, attempt) = (order.task, order.attempt);
                    let end = answer::answer(shared, order).await;
                    let ended = Event::Ended {
                        task,
                        attempt,
                        end,
                        launcher: None,
                    };
                    let _ = outbox.send(Message::Event(run, ended));
                });
            }
            Effect::Stop { task, attempt } => {
                if let Some((_, stop)) = self.attempts.get(&task).filter(|(number, _)| *number == attempt) {
                    stop.notify_one();
                }
            }
            Effect::Clear { task, attempt } => {
                let config = &self.shared.config;
                let folder = layout::attempt(&config.tasks, run, task, attempt);
                let scratch = layout::scratch(&config.scratch, task, attempt);
                tokio::task::spawn_blocking(move || clear(&folder, &scratch));
            }
            Effect::Finished => {
                self.machines.remove(&run);
            }
            Effect::LookUp { task, key } => self.look_up(run, task, key.fingerprint.clone()),
            // Done when they were decided.
            Effect::Recall { .. }
            | Effect::Enqueue { .. }
            | Effect::Hold { .. }
            | Effect::Leave { .. }
            | Effect::Wake { .. }
            | Effect::Deadline { .. } => {}
        }
    }

    /// Carries an attempt out beside everything else, and tells of its end.
    fn begin<F>(&mut self, order: Order, carry_out: impl FnOnce(Arc<Shared>, Order, Arc<Notify>) -> F)
    where
        F: Future<Output = attempt::Ended> + Send + 'static,
    {
        let (run, task, attempt) = (order.run, order.task, order.attempt);
        let stop = Arc::new(Notify::new());
        self.attempts.insert(task, (attempt, Arc::clone(&stop)));
        let outbox = self.outbox.clone();
        let end = carry_out(Arc::clone(&self.shared), order, stop);
        tokio::spawn(async move {
            let (end, launcher) = end.await;
            let ended = Event::Ended {
                task,
                attempt,
                end,
                launcher,
            };
            let _ = outbox.send(Message::Event(run, ended));
        });
    }
}

/// Deletes what an attempt leaves but for its log and its records. What cannot be deleted is left to the deletion of
/// the run.
fn clear(folder: &Path, scratch: &Path) {
    let left = [
        layout::work(folder),
        layout::home(folder),
        layout::outputs(folder),
        layout::result(folder),
        layout::scratch_volumes(folder),
        layout::component(folder),
    ];
    for folder in left.iter().map(std::path::PathBuf::as_path).chain([scratch]) {
        let _ = std::fs::remove_dir_all(folder);
    }
}
