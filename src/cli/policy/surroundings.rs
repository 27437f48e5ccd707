//! The flags that say what surrounds a call: who asks, when, and what the session has seen.
//!
//! Nothing is looked up. What no flag says is not known, and what is not known restricts.

use crate::cli::{CommandError, Exit};
use crate::policy::{Circumstances, Moment};
use jiff::Timestamp;
use jiff::fmt::temporal::Pieces;

/// Flags of `check`, `explain` and `diff`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct SurroundingsArgs {
    /// Nobody can answer: `ask` becomes a denial.
    #[arg(long, conflicts_with = "interactive")]
    pub headless: bool,
    /// Somebody can answer.
    #[arg(long)]
    pub interactive: bool,
    /// The agent that asks: `main`, or `main/NAME`.
    #[arg(long, value_name = "NAME")]
    pub agent: Option<String>,
    /// An untrusted source that the session has read from, such as `web example.org`.
    #[arg(long, value_name = "SOURCE")]
    pub untrusted: Vec<String>,
    /// When the call is made, for example 2026-11-26T22:00:00+01:00; the wall clock is as written.
    #[arg(long, value_name = "TIME")]
    pub at: Option<String>,
    /// The account that Ion runs as.
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
}

impl SurroundingsArgs {
    /// The same as policy sees it.
    ///
    /// # Errors
    /// A time that is none.
    pub fn circumstances(&self) -> Result<Circumstances, CommandError> {
        let moment = self.at.as_deref().map(moment).transpose().map_err(|what| {
            CommandError::new(Exit::Usage, "usage", format!("`--at`: {what}"))
                .detail("next: --at 2026-11-26T22:00:00+01:00")
        })?;
        Ok(Circumstances {
            interactive: match (self.headless, self.interactive) {
                (true, _) => Some(false),
                (_, true) => Some(true),
                _ => None,
            },
            depth: self.agent.as_deref().map(depth),
            agent: self.agent.clone(),
            user: self.user.clone(),
            moment,
            untrusted: (!self.untrusted.is_empty()).then(|| self.untrusted.clone()),
            ..Circumstances::default()
        })
    }

    /// The surroundings that were not given, for a person.
    pub fn unknown(circumstances: &Circumstances) -> Vec<&'static str> {
        let mut unknown = Vec::new();
        let mut note = |known: bool, name| {
            if !known {
                unknown.push(name);
            }
        };
        note(circumstances.interactive.is_some(), "whether somebody can answer");
        note(circumstances.agent.is_some(), "the agent");
        note(circumstances.user.is_some(), "the user");
        note(circumstances.moment.is_some(), "the time");
        note(circumstances.untrusted.is_some(), "what the session has read");
        unknown
    }
}

/// How many agents stand above one.
pub(super) fn depth(agent: &str) -> u32 {
    u32::try_from(agent.matches('/').count()).unwrap_or(u32::MAX)
}

/// A moment with the wall clock as it is written, so that a test case means the same on every
/// machine.
///
/// # Errors
/// What is wrong with the text.
pub(super) fn moment(text: &str) -> Result<Moment, String> {
    let wrong = || format!("`{text}` is no time with an offset, such as 2026-11-26T22:00:00Z");
    let instant: Timestamp = text.parse().map_err(|_| wrong())?;
    let pieces = Pieces::parse(text).map_err(|_| wrong())?;
    let time = pieces.time().ok_or_else(wrong)?;
    let number = |part: i8| u16::try_from(part).map_err(|_| wrong());
    Ok(Moment {
        unix_seconds: instant.as_second(),
        weekday: u8::try_from(pieces.date().weekday().to_monday_zero_offset())
            .map_err(|_| wrong())?,
        minute_of_day: number(time.hour())? * 60 + number(time.minute())?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_as_its_wall_clock_shows_it() {
        let evening = moment("2026-11-26T22:30:00+01:00").unwrap();
        assert_eq!((evening.weekday, evening.minute_of_day), (3, 22 * 60 + 30));
        let same = moment("2026-11-26T21:30:00Z").unwrap();
        assert_eq!(evening.unix_seconds, same.unix_seconds);
        assert_eq!(same.minute_of_day, 21 * 60 + 30);
        for bad in ["", "22:00", "2026-11-26", "2026-11-26T22:00:00", "2026-13-01T00:00:00Z"] {
            assert!(moment(bad).is_err(), "{bad}");
        }
    }
}
