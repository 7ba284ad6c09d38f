//! Probes of a model server, as a kubelet does them: a process tells nobody when it begins to answer, so it is asked.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Container, Probe as Declared};
use tokio::net::TcpStream;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use super::desired::Refusal;

/// Between two questions while a server starts: waiting for it is what a person sees.
const WHILE_STARTING: Duration = Duration::from_millis(100);

/// How a server is asked.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Probes {
    startup: Option<Probe>,
    readiness: Probe,
    liveness: Option<Probe>,
}

#[derive(Clone, Debug, PartialEq)]
struct Probe {
    check: Check,
    initial_delay: Duration,
    period: Duration,
    timeout: Duration,
    failures: u32,
}

#[derive(Clone, Debug, PartialEq)]
enum Check {
    /// GET of this path answers 200 to 399.
    Http(String),
    /// A connection is taken.
    Connect,
}

/// What a server turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Ready,
    Unready,
    /// Its startup or liveness probe has failed for good: it is to be ended.
    Dead,
}

impl Probes {
    /// The container's probes; without a readiness probe a taken connection counts.
    ///
    /// # Errors
    /// A probe of a kind that is not known here.
    pub(crate) fn of(container: &Container) -> Result<Self, Refusal> {
        let probe = |declared: &Option<Declared>, name| {
            declared
                .as_ref()
                .map(|declared| probe(declared, name))
                .transpose()
        };
        Ok(Self {
            startup: probe(&container.startup_probe, "startupProbe")?,
            readiness: probe(&container.readiness_probe, "readinessProbe")?.unwrap_or(Probe {
                check: Check::Connect,
                initial_delay: Duration::ZERO,
                period: Duration::from_secs(10),
                timeout: Duration::from_secs(1),
                failures: 3,
            }),
            liveness: probe(&container.liveness_probe, "livenessProbe")?,
        })
    }

    /// Asks for ever, and tells each change; ends after [`Answer::Dead`]. `known` says what was told before.
    pub(crate) async fn watch(
        &self,
        client: &reqwest::Client,
        port: u16,
        known: Option<Answer>,
        mut tell: impl FnMut(Answer),
    ) {
        if known.is_none() {
            if let Some(startup) = &self.startup
                && !startup.succeeds_in_time(client, port).await
            {
                return tell(Answer::Dead);
            }
            while !self.readiness.succeeds(client, port).await {
                sleep(WHILE_STARTING).await;
            }
            tell(Answer::Ready);
        }
        let mut ready = known != Some(Answer::Unready);
        let mut readiness = Streak::new(&self.readiness);
        let mut liveness = self.liveness.as_ref().map(Streak::new);
        loop {
            tokio::select! {
                failed = readiness.next(client, port) => {
                    let now = if failed == 0 { true } else { ready && failed < self.readiness.failures };
                    if now != ready {
                        ready = now;
                        tell(if ready { Answer::Ready } else { Answer::Unready });
                    }
                }
                failed = next_of(&mut liveness, client, port) => {
                    if self.liveness.as_ref().is_some_and(|probe| failed >= probe.failures) {
                        return tell(Answer::Dead);
                    }
                }
            }
        }
    }
}

/// Never, where there is no such probe.
async fn next_of(streak: &mut Option<Streak<'_>>, client: &reqwest::Client, port: u16) -> u32 {
    match streak {
        Some(streak) => streak.next(client, port).await,
        None => std::future::pending().await,
    }
}

/// A probe asked at its period.
struct Streak<'a> {
    probe: &'a Probe,
    ticks: tokio::time::Interval,
    failed: u32,
}

impl<'a> Streak<'a> {
    fn new(probe: &'a Probe) -> Self {
        let mut ticks = interval(probe.period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            probe,
            ticks,
            failed: 0,
        }
    }

    /// How many times in a row it has failed by now.
    async fn next(&mut self, client: &reqwest::Client, port: u16) -> u32 {
        self.ticks.tick().await;
        match self.probe.succeeds(client, port).await {
            true => self.failed = 0,
            false => self.failed += 1,
        }
        self.failed
    }
}

impl Probe {
    async fn succeeds(&self, client: &reqwest::Client, port: u16) -> bool {
        let asked = async {
            match &self.check {
                Check::Connect => TcpStream::connect(("127.0.0.1", port)).await.is_ok(),
                Check::Http(path) => {
                    match client.get(format!("http://127.0.0.1:{port}{path}")).send().await {
                        Ok(answer) => (200..400).contains(&answer.status().as_u16()),
                        Err(_) => false,
                    }
                }
            }
        };
        timeout(self.timeout, asked).await.unwrap_or(false)
    }

    /// Whether it succeeds before the failures that it allows have had the time to happen.
    async fn succeeds_in_time(&self, client: &reqwest::Client, port: u16) -> bool {
        let deadline = Instant::now() + self.initial_delay + self.period * self.failures;
        while !self.succeeds(client, port).await {
            if Instant::now() >= deadline {
                return false;
            }
            sleep(WHILE_STARTING).await;
        }
        true
    }
}

fn probe(declared: &Declared, name: &str) -> Result<Probe, Refusal> {
    let check = match (&declared.http_get, &declared.tcp_socket) {
        (Some(get), None) => {
            if get.scheme.as_deref().unwrap_or("HTTP") != "HTTP" {
                return Err(Refusal::invalid(format!(
                    "{name}.httpGet.scheme must be HTTP on this rung"
                )));
            }
            let path = get.path.as_deref().unwrap_or("/");
            Check::Http(format!("/{}", path.trim_start_matches('/')))
        }
        (None, Some(_)) => Check::Connect,
        _ => {
            return Err(Refusal::invalid(format!(
                "{name} must be httpGet or tcpSocket on this rung"
            )));
        }
    };
    let seconds = |value: Option<i32>, default: u64| {
        Duration::from_secs(
            value
                .and_then(|value| u64::try_from(value).ok())
                .unwrap_or(default),
        )
    };
    Ok(Probe {
        check,
        initial_delay: seconds(declared.initial_delay_seconds, 0),
        period: seconds(declared.period_seconds, 10).max(Duration::from_secs(1)),
        timeout: seconds(declared.timeout_seconds, 1).max(Duration::from_secs(1)),
        failures: declared
            .failure_threshold
            .and_then(|value| u32::try_from(value).ok())
            .unwrap_or(3)
            .max(1),
    })
}

#[cfg(test)]
mod tests;
