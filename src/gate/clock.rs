//! The time of the gate, as a trait so that tests can step it back.

use crate::policy::Moment;
use jiff::tz::TimeZone;
use std::time::{Duration, Instant};

/// One look at both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Since an arbitrary moment of this process; never steps back.
    pub steady: Duration,
    /// Seconds since 1970, UTC; may step.
    pub unix_seconds: i64,
}

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Both clocks.
    fn now(&self) -> Now;

    /// The wall clock in the time zone of the machine; `None` where it is not known, and
    /// then a rule that tests it restricts.
    fn moment(&self) -> Option<Moment>;
}

/// The clocks of the machine.
#[derive(Debug, Clone)]
pub struct SystemClock {
    begun: Instant,
    zone: Option<TimeZone>,
}

impl SystemClock {
    /// Counts from now, in the time zone of `/etc/localtime`; UTC where there is no such file.
    /// The variable `TZ` is not read: it would let the caller move office hours.
    pub fn new() -> Self {
        let zone = match std::fs::read("/etc/localtime") {
            Ok(file) => TimeZone::tzif("local", &file).ok(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Some(TimeZone::UTC),
            Err(_) => None,
        };
        SystemClock { begun: Instant::now(), zone }
    }

    /// An instant as the wall clock of this machine shows it; `None` where its zone is not known.
    pub fn at(&self, instant: jiff::Timestamp) -> Option<Moment> {
        let local = instant.to_zoned(self.zone.clone()?);
        Some(Moment {
            unix_seconds: local.timestamp().as_second(),
            weekday: u8::try_from(local.weekday().to_monday_zero_offset()).ok()?,
            minute_of_day: u16::try_from(local.hour()).ok()? * 60
                + u16::try_from(local.minute()).ok()?,
        })
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Now {
        let unix_seconds = jiff::Timestamp::now().as_second();
        Now { steady: self.begun.elapsed(), unix_seconds }
    }

    fn moment(&self) -> Option<Moment> {
        self.at(jiff::Timestamp::now())
    }
}
