//! Waits out an API server that is away: one that is being started again must not fail a deployment.

use std::time::Duration;

use tokio::time::Instant;

use crate::deploy::Progress;
use crate::error::ServingError;

/// One that is silent for so long is not just being started again. The recipe's steps wait as long
/// (`recipes/train-deploy/cluster/watching.py`).
const SILENCE: Duration = Duration::from_secs(120);
/// Between two tries: there is nothing to wait on but the server itself.
const RETRY: Duration = Duration::from_millis(200);

/// Makes the call, again while nobody answers it; to be used on calls that may be made twice. `tell` hears once that
/// nobody does.
pub(crate) async fn answered<T>(
    deadline: Instant,
    tell: &mut impl FnMut(Progress),
    call: impl AsyncFn() -> Result<T, ServingError>,
) -> Result<T, ServingError> {
    let latest = deadline.min(Instant::now() + SILENCE);
    let mut told = false;
    loop {
        match call().await {
            Err(ServingError::Silent { object, reason, .. }) if Instant::now() < latest => {
                if !told {
                    let seen = format!("the Kubernetes API does not answer: {reason}");
                    tell(Progress::Waiting { object, seen });
                    told = true;
                }
                tokio::time::sleep(RETRY).await;
            }
            answer => return answer,
        }
    }
}
