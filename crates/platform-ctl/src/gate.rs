//! The merge gate: from an empty state the recipe, every scenario, one verdict.

mod copies;
mod histories;
mod own_rung;
mod stage;

use std::path::Path;
use std::time::Instant;

use checks::scenarios::{ALL, GateReport, Scenario, Start, junit, line, markdown, play, verdict};

use self::own_rung::{OwnRung, Rung};
use self::stage::GateStage;
use crate::cli::{Common, GateArguments};
use crate::failure::{Exit, Failure};
use crate::{output, place, recipe};

/// How long the whole may take on two cores.
const BUDGET_SECONDS: f64 = 600.0;

/// How playing ended.
enum Played {
    /// All that was asked for was played.
    Through(GateReport),
    /// Somebody wanted an end of it.
    Interrupted,
}

pub(crate) async fn gate(common: &Common, asked: &GateArguments) -> Result<Exit, Failure> {
    let began = Instant::now();
    let chosen = chosen(&asked.only)?;
    let cwd = std::env::current_dir().map_err(|error| Failure::new(format!("working folder: {error}")))?;
    let recipe = recipe::locate(&asked.name, &cwd)?;
    let start = match asked.only.is_empty() && common.endpoints.is_none() {
        true => Start::Empty,
        false => Start::Used,
    };
    let rung = match common.endpoints {
        None => Rung::Own(OwnRung::prepare(&place::state_dir(common)?, start).await?),
        // What others run is neither emptied nor taken down.
        Some(_) => Rung::Others,
    };
    let played = tokio::select! {
        played = Box::pin(on_rung(common, &recipe, &rung, &chosen, start)) => played,
        _ = tokio::signal::ctrl_c() => Ok(Played::Interrupted),
    };
    if let Rung::Own(own) = &rung {
        if asked.keep_up {
            eprintln!("\nthe gate's rung stays up: {}", own.down_command());
        } else {
            own.down().await?;
        }
    }
    match played? {
        Played::Interrupted => Ok(Exit::Interrupted),
        Played::Through(mut report) => {
            report.seconds = began.elapsed().as_secs_f64();
            tell(common, asked, &rung, &report)
        }
    }
}

async fn on_rung(
    common: &Common,
    recipe: &Path,
    rung: &Rung,
    chosen: &[Scenario],
    start: Start,
) -> Result<Played, Failure> {
    if let Rung::Own(own) = rung {
        own.up().await?;
    }
    let common = rung.common(common);
    let endpoints = place::endpoints(&common)?;
    let server = place::pipelines(&endpoints)?.capabilities().await?;
    let mut stage = GateStage::new(&common, recipe, rung, chosen.len())?;
    match play(&mut stage, chosen, &server, start).await {
        Ok(scenarios) => Ok(Played::Through(GateReport {
            rung: endpoints.rung,
            scenarios,
            of: ALL.len(),
            seconds: 0.0,
            budget: BUDGET_SECONDS,
        })),
        Err(_) => Ok(Played::Interrupted),
    }
}

/// Writes the reports, prints the verdict, and says how to end.
fn tell(common: &Common, asked: &GateArguments, rung: &Rung, report: &GateReport) -> Result<Exit, Failure> {
    for (path, text) in [(&asked.junit, junit(report)), (&asked.summary, markdown(report))] {
        if let Some(path) = path {
            std::fs::write(path, text)
                .map_err(|error| Failure::new(format!("{}: {error}", path.display())))?;
        }
    }
    let lines: String = report.scenarios.iter().map(line).collect();
    let text = format!("\n{lines}\n{}\n", verdict(report));
    if common.json {
        eprint!("{text}");
        output::json(report)?;
    } else {
        output::text(&text)?;
    }
    if report.passed() {
        return Ok(Exit::Well);
    }
    let failure = Failure::new(verdict(report));
    let red = report.scenarios.iter().find(|scenario| !scenario.passed());
    Err(match (rung, red) {
        (Rung::Own(own), Some(scenario)) => failure
            .next(format!("`{}`", own.again_command(&asked.name, scenario.name)))
            .next(format!("logs and stores are under {}", own.folder().display())),
        (_, _) => failure,
    })
}

/// The scenarios of these names, in their order, with the one that they are compared with; without names, all.
fn chosen(names: &[String]) -> Result<Vec<Scenario>, Failure> {
    let unknown = names
        .iter()
        .find(|name| !ALL.iter().any(|known| known.name == **name));
    if let Some(name) = unknown {
        let known: Vec<&str> = ALL.iter().map(|scenario| scenario.name).collect();
        return Err(Failure::usage(format!(
            "there is no scenario {name}; there are {}",
            known.join(", ")
        )));
    }
    let is_asked = |scenario: &&Scenario| {
        names.is_empty() || names.iter().any(|name| name == scenario.name) || scenario.is_compared_with()
    };
    Ok(ALL.iter().filter(is_asked).copied().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenario_is_played_after_the_one_it_is_compared_with() {
        let names = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
            chosen(&names).map(|chosen| chosen.iter().map(|scenario| scenario.name).collect::<Vec<_>>())
        };
        assert_eq!(names(&["lock"]).unwrap(), ["small", "lock"]);
        assert_eq!(names(&[]).unwrap().len(), ALL.len());
        let told = names(&["look"]).unwrap_err().told();
        assert!(
            told.starts_with("error: there is no scenario look; there are recipe, small, nothing,"),
            "{told}"
        );
    }
}
