//! The terminal approver on a real pseudo-terminal.

use super::terminal::Terminal;
use super::testing::{asked, previewed};
use super::tty::Device;
use crate::gate::{Approver, Asked, Choice, Offers, Reply, Scope};
use crate::sys;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Termios, tcgetattr};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::unix::AsyncFd;
use tokio_util::sync::CancellationToken;

/// The last words of the line of keys.
const READY: &str = "[?] more";

/// A person's end of a terminal.
struct Screen {
    master: AsyncFd<OwnedFd>,
    /// Kept open, so that the terminal keeps its mode between two questions.
    slave: OwnedFd,
    path: PathBuf,
    seen: String,
}

impl Screen {
    fn new() -> Self {
        let master =
            openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let path = PathBuf::from(ptsname(&master, Vec::new()).unwrap().into_string().unwrap());
        let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY;
        let slave = rustix::fs::open(&path, flags, rustix::fs::Mode::empty()).unwrap();
        rustix::io::ioctl_fionbio(&master, true).unwrap();
        Screen { master: sys::watch(master).unwrap(), slave, path, seen: String::new() }
    }

    fn mode(&self) -> Termios {
        tcgetattr(&self.slave).unwrap()
    }

    fn types(&self, text: &str) {
        rustix::io::write(self.master.get_ref(), text.as_bytes()).unwrap();
    }

    /// Presses keys one by one, as fingers do.
    async fn presses(&self, keys: &str) {
        for key in keys.chars() {
            self.types(&key.to_string());
            tokio::time::sleep(Duration::from_millis(60)).await;
        }
    }

    /// Reads until the screen shows `text`, `times` times.
    async fn shows(&mut self, text: &str, times: usize) {
        let reading = async {
            while self.seen.matches(text).count() < times {
                let mut ready = self.master.readable().await.unwrap();
                let mut piece = [0; 4096];
                match rustix::io::read(self.master.get_ref(), &mut piece) {
                    Ok(n) => self.seen.push_str(&String::from_utf8_lossy(&piece[..n])),
                    Err(_) => ready.clear_ready(),
                }
            }
        };
        let done = tokio::time::timeout(Duration::from_secs(20), reading).await;
        assert!(done.is_ok(), "{text} never came {times} times: {:?}", self.seen);
    }
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Asks, lets `person` act, and gives the answer with the screen.
fn answered(
    asked: Asked,
    person: impl AsyncFnOnce(&mut Screen, &CancellationToken),
) -> (Reply, Screen) {
    run(async {
        let mut screen = Screen::new();
        let before = screen.mode();
        let terminal = Terminal::new(Device::At(screen.path.clone()));
        let cancel = CancellationToken::new();
        let asked = Arc::new(asked);
        let (reply, ()) =
            tokio::join!(terminal.ask(&asked, cancel.clone()), person(&mut screen, &cancel));
        assert_eq!(format!("{:?}", screen.mode()), format!("{before:?}"), "the mode is given back");
        (reply, screen)
    })
}

fn choice(keys: &str) -> Option<Choice> {
    let person = async |screen: &mut Screen, _: &CancellationToken| {
        screen.shows(READY, 1).await;
        screen.presses(keys).await;
    };
    answered(asked("git push --force"), person).0.choice
}

#[test]
fn each_key_gives_the_answer_that_its_line_promises() {
    assert_eq!(choice("o"), Some(Choice::Allow(Scope::Once)));
    assert_eq!(choice("s"), Some(Choice::Allow(Scope::Session)));
    assert_eq!(choice("n"), Some(Choice::Deny));
    // Not offered, so they do nothing.
    assert_eq!(choice("pan"), Some(Choice::Deny));
    assert_eq!(choice("N"), Some(Choice::Never));
    assert_eq!(choice("c12\r"), Choice::parse("allow_times:12"));
    let now = super::store::now();
    let Some(Choice::Allow(Scope::Until(at))) = choice("t5\r") else { panic!("no time") };
    assert!((now + 299..now + 330).contains(&at), "{at} is not five minutes after {now}");
}

#[test]
fn enter_blanks_and_unknown_keys_do_nothing() {
    assert_eq!(choice("\r\n yYO10n"), Some(Choice::Deny));
}

#[test]
fn a_wrong_number_is_taken_back_and_the_question_stays() {
    assert_eq!(choice("c0\rc9999\rc\rn"), Some(Choice::Deny));
    assert_eq!(choice("c1\u{7f}2\r"), Choice::parse("allow_times:2"));
    assert_eq!(choice("t1441\rn"), Some(Choice::Deny));
}

#[test]
fn what_was_typed_before_the_question_stood_there_is_dropped() {
    run(async {
        let mut screen = Screen::new();
        let terminal = Terminal::new(Device::At(screen.path.clone()));
        let asked = Arc::new(asked("rm -r build"));
        screen.types("oooo\n");
        let person = async {
            // Still typing while the picture is drawn.
            screen.shows("Approval needed", 1).await;
            screen.presses("oosoo").await;
            screen.shows(READY, 1).await;
            screen.presses("n").await;
        };
        let (reply, ()) = tokio::join!(terminal.ask(&asked, CancellationToken::new()), person);
        assert_eq!(reply.choice, Some(Choice::Deny));
    });
}

#[test]
fn a_paste_and_an_escape_sequence_do_nothing() {
    let person = async |screen: &mut Screen, _: &CancellationToken| {
        screen.shows(READY, 1).await;
        for burst in ["so be it\r", "\u{1b}[A", "\u{1b}Os", "\u{1b}o", "oo", "\u{1b}[0c", "ö"] {
            screen.types(burst);
            tokio::time::sleep(Duration::from_millis(400)).await;
        }
        // An arrow key over a slow line.
        for byte in ["\u{1b}", "O", "s"] {
            screen.types(byte);
            tokio::time::sleep(Duration::from_millis(60)).await;
        }
        tokio::time::sleep(Duration::from_millis(400)).await;
        screen.presses("n").await;
    };
    assert_eq!(answered(asked("ls"), person).0.choice, Some(Choice::Deny));
}

#[test]
fn keys_are_not_echoed_and_the_call_is_shown_escaped() {
    let person = async |screen: &mut Screen, _: &CancellationToken| {
        screen.shows(READY, 1).await;
        screen.presses("zqn").await;
        screen.shows("-> denied", 1).await;
    };
    let (_, screen) = answered(asked("ls \u{1b}[31m\u{202e}txt.exe"), person);
    assert!(screen.seen.contains("\\u{1b}[31m\\u{202e}txt.exe"), "{:?}", screen.seen);
    assert!(!screen.seen.contains(['\u{1b}', '\u{202e}']), "{:?}", screen.seen);
    let after = screen.seen.split(READY).nth(1).unwrap();
    assert!(!after.contains(['z', 'q']), "{after:?}");
}

#[test]
fn a_question_that_asks_every_time_offers_and_takes_no_wide_answer() {
    let once = Asked { offers: Offers::OnlyOnce, ..asked("ls") };
    let person = async |screen: &mut Screen, _: &CancellationToken| {
        screen.shows(READY, 1).await;
        screen.presses("stc5\ro").await;
    };
    let (reply, screen) = answered(once, person);
    assert_eq!(reply.choice, Some(Choice::Allow(Scope::Once)));
    assert!(!screen.seen.contains("[s]") && !screen.seen.contains("how many"), "{:?}", screen.seen);
}

#[test]
fn a_preview_is_offered_once_and_its_changes_can_be_applied() {
    let press = |asked: Asked, keys: &'static str| {
        let person = async move |screen: &mut Screen, _: &CancellationToken| {
            screen.shows(READY, 1).await;
            screen.presses(keys).await;
        };
        answered(asked, person)
    };
    let (reply, screen) = press(Asked { can_preview: true, ..asked("ls") }, "ap");
    assert_eq!(reply.choice, Some(Choice::Preview));
    assert!(screen.seen.contains("[p] show what it does") && !screen.seen.contains("[a] apply"));
    let shown = previewed("said", "would add 1\n  A x", None);
    let (reply, screen) = press(Asked { preview: Some(shown), ..asked("ls") }, "pa");
    assert_eq!(reply.choice, Some(Choice::Apply));
    for part in
        ["[a] apply", "exit code 3", "output | said", "change |   A x", "connect to example"]
    {
        assert!(screen.seen.contains(part), "{part}: {}", screen.seen);
    }
    let unfit = previewed("", "", Some("it would change .git/hooks"));
    let (reply, screen) = press(Asked { preview: Some(unfit), ..asked("ls") }, "pan");
    assert_eq!(reply.choice, Some(Choice::Deny));
    assert!(screen.seen.contains("not possible: it would change .git/hooks"), "{}", screen.seen);
}

#[test]
fn more_and_explain_keep_the_question_open() {
    let person = async |screen: &mut Screen, _: &CancellationToken| {
        screen.shows(READY, 1).await;
        screen.presses("e").await;
        screen.shows("digest", 1).await;
        screen.shows(READY, 2).await;
        screen.presses("?").await;
        screen.shows("Enter and all other keys do nothing", 1).await;
        screen.shows(READY, 3).await;
        screen.presses("o").await;
    };
    assert_eq!(answered(asked("ls"), person).0.choice, Some(Choice::Allow(Scope::Once)));
}

#[test]
fn a_cancelled_question_leaves_the_screen_and_gives_the_mode_back() {
    let person = async |screen: &mut Screen, cancel: &CancellationToken| {
        screen.shows(READY, 1).await;
        let raw = screen.mode().local_modes;
        assert!(!raw.intersects(LocalModes::ECHO | LocalModes::ICANON));
        assert!(raw.contains(LocalModes::ISIG), "Ctrl-C still interrupts");
        cancel.cancel();
        screen.shows("this question is closed", 1).await;
    };
    assert_eq!(answered(asked("ls"), person).0.choice, None);
}

#[test]
fn a_dropped_question_gives_the_mode_back() {
    run(async {
        let mut screen = Screen::new();
        let before = format!("{:?}", screen.mode());
        let terminal = Terminal::new(Device::At(screen.path.clone()));
        let asked = Arc::new(asked("ls"));
        {
            let asking = terminal.ask(&asked, CancellationToken::new());
            tokio::select! {
                _ = asking => panic!("nobody answered"),
                () = screen.shows(READY, 1) => {}
            }
        }
        assert_eq!(format!("{:?}", screen.mode()), before);
        screen.shows("this question is closed", 1).await;
    });
}

#[test]
fn a_terminal_that_hangs_up_is_nobody() {
    run(async {
        let mut screen = Screen::new();
        let terminal = Terminal::new(Device::At(screen.path.clone()));
        let asked = Arc::new(asked("ls"));
        let hang_up = async {
            screen.shows(READY, 1).await;
            drop(screen);
        };
        let (reply, ()) = tokio::join!(terminal.ask(&asked, CancellationToken::new()), hang_up);
        assert_eq!(reply.choice, None);
    });
}

#[test]
fn after_ten_questions_the_way_out_is_named_once() {
    run(async {
        let mut screen = Screen::new();
        let terminal = Terminal::new(Device::At(screen.path.clone()));
        let asked = Arc::new(asked("ls"));
        for n in 1..=12 {
            let person = async {
                screen.shows(READY, n).await;
                screen.types("n");
            };
            tokio::join!(terminal.ask(&asked, CancellationToken::new()), person);
        }
        assert_eq!(screen.seen.matches("ion policy suggest").count(), 1);
    });
}

#[test]
fn a_terminal_that_is_not_there_is_nobody() {
    let terminal = Terminal::new(Device::At(PathBuf::from("/nonexistent/tty")));
    assert!(!terminal.is_there());
    let reply = run(async { terminal.ask(&Arc::new(asked("ls")), CancellationToken::new()).await });
    assert_eq!(reply.choice, None);
}
