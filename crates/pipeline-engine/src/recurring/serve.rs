//! Asks for the runs of all recurring runs as their times come.

use std::sync::Arc;

use futures::FutureExt;
use jiff::Timestamp;
use tokio::sync::{Notify, broadcast};

use super::{Step, step};
use crate::clock::Clock;
use crate::engine::{Engine, WeakEngine};
use crate::error::EngineError;
use crate::events::{Event, Happening};

/// What ends a wait.
enum Wait {
    /// Nothing but a change of a recurring run.
    Change,
    /// The time.
    Until(Timestamp),
}

/// What a look at all recurring runs found.
struct Look {
    wait: Wait,
    /// Whether one of them waits for a run to end.
    full: bool,
}

/// Serves until the engine is closed or gone. `changed` is told of every change of a recurring run.
pub(crate) async fn serve(
    engine: WeakEngine,
    clock: Arc<dyn Clock>,
    changed: Arc<Notify>,
    mut events: broadcast::Receiver<Event>,
) {
    /// A database that refuses is asked again.
    const PAUSE: jiff::SignedDuration = jiff::SignedDuration::from_secs(1);
    loop {
        let look = match engine.upgrade() {
            Some(engine) => look(&engine, clock.now()).await,
            None => return,
        };
        let look = match look {
            Ok(look) => look,
            Err(EngineError::Closed) => return,
            Err(error) => {
                tracing::error!("recurring runs cannot be read: {error}");
                Look {
                    wait: Wait::Until(clock.now().saturating_add(PAUSE).unwrap_or(Timestamp::MAX)),
                    full: false,
                }
            }
        };
        let time = match look.wait {
            Wait::Until(time) => clock.sleep_until(time),
            Wait::Change => futures::future::pending().boxed(),
        };
        tokio::select! {
            () = time => {}
            () = changed.notified() => {}
            () = an_end(&mut events), if look.full => {}
        }
    }
}

/// Asks for every run that is due, and tells what to wait for. All are judged by one time.
async fn look(engine: &Engine, now: Timestamp) -> Result<Look, EngineError> {
    let mut found = Look {
        wait: Wait::Change,
        full: false,
    };
    for id in engine.enabled_recurring_runs().await? {
        loop {
            // Deleted meanwhile.
            let Some((recurring, active)) = engine.recurring_run_now(id).await? else {
                break;
            };
            match step(&recurring, active, now) {
                Step::Rest => break,
                Step::Full => {
                    found.full = true;
                    break;
                }
                Step::Wait(time) => {
                    found.wait = match found.wait {
                        Wait::Until(earlier) if earlier < time => Wait::Until(earlier),
                        _ => Wait::Until(time),
                    };
                    break;
                }
                Step::Run(time) => engine.run_recurring(&recurring, time, now).await?,
            }
        }
    }
    Ok(found)
}

/// Until some run has ended, or may have.
async fn an_end(events: &mut broadcast::Receiver<Event>) {
    loop {
        match events.recv().await {
            Ok(Event {
                what: Happening::Run { state },
                ..
            }) if state.is_final() => return,
            Ok(_) => {}
            Err(broadcast::error::RecvError::Lagged(_)) => return,
            Err(broadcast::error::RecvError::Closed) => futures::future::pending().await,
        }
    }
}
