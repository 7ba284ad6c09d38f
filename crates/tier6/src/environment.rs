//! The environment that every process of a state folder starts from.

use std::collections::BTreeMap;

use crate::error::Tier6Error;
use crate::state_dir::StateDir;

/// Usage data and update checks, each by the variable that the program itself reads.
const QUIET: [(&str, &str); 9] = [
    ("DO_NOT_TRACK", "true"),
    ("MLFLOW_DISABLE_TELEMETRY", "true"),
    ("RAY_USAGE_STATS_ENABLED", "0"),
    // Ray tells its maker even that usage stats are off (`_report_disabled_usage_sync`,
    // ray/dashboard/modules/usage_stats/usage_stats_head.py@2.60.0): to the discard port, then.
    ("RAY_USAGE_STATS_REPORT_URL", "http://127.0.0.1:9/"),
    ("FEAST_USAGE", "False"),
    ("SCARF_NO_ANALYTICS", "true"),
    ("HF_HUB_DISABLE_TELEMETRY", "1"),
    ("GIT_TERMINAL_PROMPT", "0"),
    ("PIP_DISABLE_PIP_VERSION_CHECK", "1"),
];

/// Variables for services, steps, trials and model servers alike. Nothing else is inherited: the mark, quiet programs,
/// a home and a scratch folder that are not the user's, and loopback kept out of any proxy's hands.
///
/// # Errors
/// [`Tier6Error::NoPython`], [`Tier6Error::File`].
pub fn child_environment(state: &StateDir) -> Result<BTreeMap<String, String>, Tier6Error> {
    let python = state.python()?.join("bin");
    let system = std::env::var("PATH").unwrap_or_else(|_| "/usr/local/bin:/usr/bin:/bin".into());
    let loopback = "127.0.0.1,localhost,::1";
    let mut environment: BTreeMap<String, String> = QUIET
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    for (key, value) in [
        (processes::MARK_VARIABLE, state.mark()?),
        ("PATH", format!("{}:{system}", python.display())),
        ("HOME", state.home().display().to_string()),
        ("TMPDIR", state.short_dir()?.join("tmp").display().to_string()),
        ("LANG", "C.UTF-8".into()),
        ("PYTHONUNBUFFERED", "1".into()),
        ("NO_PROXY", loopback.into()),
        ("no_proxy", loopback.into()),
        // Without it Ray takes 127.0.0.1 for a mistake and listens on the machine's own address, or on all
        // (`resolve_ip_for_localhost`, ray/_private/services.py@2.60.0); the name is of the platforms it is default on.
        ("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0".into()),
        ("RAY_AUTH_MODE", "token".into()),
        ("RAY_AUTH_TOKEN_PATH", state.ray_token().display().to_string()),
    ] {
        environment.insert(key.to_owned(), value);
    }
    Ok(environment)
}
