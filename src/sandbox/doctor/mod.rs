//! Attacks this machine through each backend and tells what got through.
//!
//! Every row is tested by doing it, with the very command that people use (`ion sandbox run`), on
//! files, sockets and processes that [`stage`] makes for the purpose. What an attack did is looked
//! at from outside; what it believes does not count. Read [`attacks`] for the rows.

pub mod attacks;
pub mod machine;
mod stage;

use super::cause::Missing;
use crate::worker::backend::Backend;
use attacks::{ATTACKS, Attack};
use stage::Stage;
use std::time::{Duration, Instant};

/// The backends that are looked at, strongest first.
pub const BACKENDS: &[Backend] = match Backend::Birdcage.is_built_in() {
    true => &[Backend::Bwrap, Backend::Userns, Backend::Birdcage, Backend::Landlock],
    false => &[Backend::Bwrap, Backend::Userns, Backend::Landlock],
};

/// What came of one attack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was stopped.
    Held,
    /// It had an effect until the command ended, and that was undone.
    Undone,
    /// It got through.
    Open,
    /// It could not be tried, and why.
    Untested(String),
}

impl Outcome {
    /// One word for a table and for programs.
    pub fn word(&self) -> &'static str {
        match self {
            Outcome::Held => "no",
            Outcome::Undone => "undone",
            Outcome::Open => "YES",
            Outcome::Untested(_) => "-",
        }
    }
}

/// One attack under every backend.
#[derive(Debug)]
pub struct Row {
    /// The attack.
    pub attack: &'static Attack,
    /// What came of it, in the order of [`BACKENDS`], with the time that it took.
    pub outcomes: Vec<(Outcome, Duration)>,
}

/// Whether a backend works here.
#[derive(Debug)]
pub struct Standing {
    /// The backend.
    pub backend: Backend,
    /// What is missing; `None` when it works.
    pub missing: Option<Missing>,
}

/// Tries every attack under every backend that works.
///
/// # Errors
/// No place for the tests could be made.
pub fn examine(standings: &[Standing]) -> Result<Vec<Row>, String> {
    let stage = Stage::new()?;
    let mut rows = Vec::new();
    for attack in ATTACKS {
        let mut outcomes = Vec::new();
        for standing in standings {
            let began = Instant::now();
            let outcome = match &standing.missing {
                Some(_) => Outcome::Untested("the backend does not work here".to_owned()),
                None => stage.attack(attack, standing.backend),
            };
            outcomes.push((outcome, began.elapsed()));
        }
        rows.push(Row { attack, outcomes });
    }
    Ok(rows)
}
