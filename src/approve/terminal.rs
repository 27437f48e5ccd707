//! Asks the person at the terminal of the run.
//!
//! The default is no: Enter does nothing, and a key counts only when it was pressed by itself
//! after the whole question stood on the screen. No key gives more than what was shown.

use super::card::Card;
use super::store::now;
use super::tty::{Device, Tty};
use super::who;
use crate::gate::{Approver, Asked, Choice, Reply, Scope};
use futures_util::future::BoxFuture;
use std::io;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio_util::sync::CancellationToken;

/// After so many questions the way out is named, once.
const MANY: u32 = 10;
/// The longest yes by time, in minutes: a day.
const MOST_MINUTES: u32 = 24 * 60;
/// The longest yes by count.
const MOST_TIMES: u32 = 1000;

/// The terminal as a way to reach a person.
pub(in crate::approve) struct Terminal {
    device: Device,
    /// Questions of this session so far.
    asked: AtomicU32,
}

impl Terminal {
    pub fn new(device: Device) -> Self {
        Terminal { device, asked: AtomicU32::new(0) }
    }

    async fn converse(&self, asked: &Asked) -> io::Result<Reply> {
        let card = Card::of(asked).map_err(io::Error::other)?;
        let mut tty = Tty::begin(&self.device)?;
        tty.close_with(Some("this question is closed: answered elsewhere, expired or cancelled"));
        tty.write(&format!("\n{}", card.picture(now(), tty.columns()))).await?;
        if self.asked.fetch_add(1, Ordering::Relaxed) + 1 == MANY {
            tty.write("  note     10 questions so far: `ion policy suggest` writes rules for what you approved\n")
                .await?;
        }
        tty.quiet().await?;
        tty.write(&keys(&card)).await?;
        let choice = loop {
            let chosen = match tty.key().await? {
                b'o' => Some(Choice::Allow(Scope::Once)),
                b'n' => Some(Choice::Deny),
                b'N' => Some(Choice::Never),
                b'p' if card.can_preview => Some(Choice::Preview),
                b'a' if card.may_be_applied() => Some(Choice::Apply),
                b's' if card.may_be_remembered() => Some(Choice::Allow(Scope::Session)),
                b't' if card.may_be_remembered() => until(&tty).await?,
                b'c' if card.may_be_remembered() => times(&tty).await?,
                b'e' => {
                    tty.write(&format!("{}{}", card.details(tty.columns()), keys(&card))).await?;
                    None
                }
                b'?' => {
                    tty.write(&format!("{}{}", more(&card), keys(&card))).await?;
                    None
                }
                _ => None,
            };
            if let Some(choice) = chosen {
                break choice;
            }
        };
        tty.close_with(None);
        // What the person chose counts, even if the terminal is gone by now.
        let _ = tty.write(&format!("  -> {}\n", told(choice))).await;
        let at = self.device.name().map(|name| format!(" at {name}")).unwrap_or_default();
        Ok(Reply { choice: Some(choice), by: format!("{}{at}", who::me()), reason: None })
    }
}

/// The line of keys. What `s`, `t` and `c` remember stands in the picture above: this call.
fn keys(card: &Card) -> String {
    let mut all = Vec::new();
    if card.may_be_applied() {
        all.push("[a] apply exactly these changes");
    }
    if card.can_preview {
        all.push("[p] show what it does on a copy first");
    }
    let mut text = match all.is_empty() {
        true => String::new(),
        false => format!("  {}\n", all.join("   ")),
    };
    text.push_str(match card.may_be_remembered() {
        true => {
            "  [o] once   [s] this session, exactly this call   [t] until a time   [c] a count\n  \
             [n] no   [N] no, never again   [e] explain   [?] more\n"
        }
        false => "  [o] once   [n] no   [N] no, never again   [e] explain   [?] more\n",
    });
    text
}

fn more(card: &Card) -> String {
    let mut text = "  o  this call, now\n".to_owned();
    if card.can_preview {
        text.push_str(
            "  p  runs it on a copy of the workspace, without network, and asks again\n     \
             with what it changed there; nothing of yours is touched\n",
        );
    }
    if card.may_be_applied() {
        text.push_str("  a  the changes that are shown, all of them; nothing runs again\n");
    }
    match card.may_be_remembered() {
        true => text.push_str(
            "  s  this very call again, without a question, until this session ends\n  \
             t  the same for some minutes\n  c  the same for some times, this one included\n",
        ),
        false => text.push_str("     its rule asks every time, so a yes is not remembered\n"),
    }
    text.push_str(
        "  n  no; the model is told\n  N  no, and this very call is refused for the session\n  \
         e  all arguments and the rule\n  Enter and all other keys do nothing; no answer is no\n",
    );
    text
}

/// What was chosen, in words.
fn told(choice: Choice) -> String {
    match choice {
        Choice::Allow(Scope::Once) => "allowed once".to_owned(),
        Choice::Allow(Scope::Session) => "allowed for this session, exactly this call".to_owned(),
        Choice::Allow(Scope::Times(count)) => format!("allowed {count} times, exactly this call"),
        Choice::Allow(Scope::Until(at)) => {
            let time = jiff::Timestamp::from_second(at).map(|time| time.to_string());
            format!("allowed until {}, exactly this call", time.unwrap_or_default())
        }
        Choice::Preview => "trying it on a copy".to_owned(),
        Choice::Apply => "exactly these changes are applied".to_owned(),
        Choice::Deny => "denied".to_owned(),
        Choice::Never => "denied, and so is this call for the rest of the session".to_owned(),
    }
}

async fn until(tty: &Tty) -> io::Result<Option<Choice>> {
    let minutes = number(tty, "for how many minutes (1 to 1440)? ", MOST_MINUTES).await?;
    Ok(minutes.map(|n| Choice::Allow(Scope::Until(now() + i64::from(n.get()) * 60))))
}

async fn times(tty: &Tty) -> io::Result<Option<Choice>> {
    let count = number(tty, "how many times, this one included (1 to 1000)? ", MOST_TIMES).await?;
    Ok(count.map(|n| Choice::Allow(Scope::Times(n))))
}

/// Reads a number that ends with Enter. Anything but digits and backspace takes it back.
async fn number(tty: &Tty, label: &str, most: u32) -> io::Result<Option<NonZeroU32>> {
    tty.write(&format!("  {label}")).await?;
    let mut digits = String::new();
    loop {
        for byte in tty.piece().await? {
            match byte {
                b'0'..=b'9' if digits.len() < 6 => {
                    digits.push(char::from(byte));
                    tty.write(&char::from(byte).to_string()).await?;
                }
                0x7f | 0x08 => {
                    if digits.pop().is_some() {
                        tty.write("\u{8} \u{8}").await?;
                    }
                }
                b'\n' | b'\r' => {
                    let number: Option<NonZeroU32> = digits.parse().ok();
                    let number = number.filter(|number| number.get() <= most);
                    tty.write(if number.is_some() { "\n" } else { "\n  not taken\n" }).await?;
                    return Ok(number);
                }
                _ => {
                    tty.write("\n  not taken\n").await?;
                    tty.quiet().await?;
                    return Ok(None);
                }
            }
        }
    }
}

impl Approver for Terminal {
    fn name(&self) -> &str {
        "terminal"
    }

    fn is_there(&self) -> bool {
        self.device.is_there()
    }

    fn ask<'a>(&'a self, asked: &'a Arc<Asked>, cancel: CancellationToken) -> BoxFuture<'a, Reply> {
        Box::pin(async move {
            tokio::select! {
                biased;
                () = cancel.cancelled() => Reply::silence("the question was closed"),
                reply = self.converse(asked) => {
                    reply.unwrap_or_else(|error| Reply::silence(error.to_string()))
                }
            }
        })
    }
}
