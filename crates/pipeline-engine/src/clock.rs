//! The time, as finely as rows keep it.

use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp, Unit};
use tokio::sync::watch;

/// Now, to the microsecond: what is read back from a row is what was told.
pub(crate) fn now() -> Timestamp {
    let now = Timestamp::now();
    now.round(Unit::Microsecond).unwrap_or(now)
}

/// Where schedules read the time.
pub trait Clock: Send + Sync {
    /// Now, to the microsecond.
    fn now(&self) -> Timestamp;

    /// Until it is that late.
    fn sleep_until(&self, time: Timestamp) -> BoxFuture<'static, ()>;
}

/// The machine's clock. It may be set, and the machine may sleep: who waits looks at it again now and then.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        now()
    }

    fn sleep_until(&self, time: Timestamp) -> BoxFuture<'static, ()> {
        /// How late somebody is who slept through a change of the clock.
        const LATEST: Duration = Duration::from_secs(30);
        async move {
            while let Ok(left) = Duration::try_from(time.duration_since(now()))
                && !left.is_zero()
            {
                tokio::time::sleep(left.min(LATEST)).await;
            }
        }
        .boxed()
    }
}

/// A clock that stands still until it is moved: for tests of what happens at a time.
#[derive(Debug, Clone)]
pub struct ManualClock {
    time: watch::Sender<Timestamp>,
}

impl ManualClock {
    /// It is that late.
    pub fn at(time: Timestamp) -> Self {
        Self {
            time: watch::Sender::new(time),
        }
    }

    /// Moves it on.
    pub fn advance(&self, by: SignedDuration) {
        self.time.send_modify(|time| *time += by);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.time.borrow()
    }

    fn sleep_until(&self, time: Timestamp) -> BoxFuture<'static, ()> {
        let mut moved = self.time.subscribe();
        async move {
            // Nobody is left to move it: it stands for ever.
            if moved.wait_for(|now| *now >= time).await.is_err() {
                futures::future::pending::<()>().await;
            }
        }
        .boxed()
    }
}
