//! `Grep`: ripgrep's expressions, choice of files and output, with a cap. Read `lines` for how a
//! file becomes lines.

use super::{Arguments, Outcome, glob, lines, say};
use crate::worker::open;
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use ignore::overrides::Override;
use regex::bytes::{Regex, RegexBuilder};
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Most lines in one answer.
const MOST: usize = 5_000;
/// Bytes of one matching line that are shown.
const WIDEST: usize = 2_000;
/// Bound on the compiled expression, bytes: a pattern is a stranger's.
const PATTERN_SIZE: usize = 10 << 20;

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Content,
    Files,
    Count,
}

/// Runs the tool.
///
/// # Errors
/// The tool error.
pub fn run(arguments: &Arguments<'_>) -> Result<Outcome, String> {
    let pattern = arguments.required("pattern")?;
    let mode = match arguments.text("output_mode")? {
        None | Some("content") => Mode::Content,
        Some("files_with_matches") => Mode::Files,
        Some("count") => Mode::Count,
        Some(other) => {
            return Err(format!(
                "Error: output_mode must be content, files_with_matches or count, not {other}"
            ));
        }
    };
    let expression = RegexBuilder::new(pattern)
        .size_limit(PATTERN_SIZE)
        .build()
        .map_err(|e| format!("Error: invalid pattern: {e}"))?;
    let root = arguments.root();
    let shown_as = arguments.text("path")?.map(PathBuf::from);
    let failed = |e| format!("Error: {}", say("open", &root, &e));
    let about = std::fs::symlink_metadata(&root).map_err(failed)?;
    if about.is_file() {
        open::read(&root).map_err(failed)?;
    } else {
        std::fs::read_dir(&root).map_err(failed)?;
    }
    let mut found = Found::new(mode, arguments.call.output_bytes);
    let mut files: Vec<PathBuf> = if about.is_file() {
        vec![root.clone()]
    } else {
        let filter = match arguments.text("glob")? {
            Some(filter) => glob::pattern_filter(&root, filter)?,
            None => Override::empty(),
        };
        glob::walk(&root, filter, false).collect()
    };
    files.sort_by(|a, b| a.as_os_str().as_bytes().cmp(b.as_os_str().as_bytes()));
    let withheld = Withheld::new(&arguments.call.withheld)?;
    let mut left_out = 0_u64;
    for file in &files {
        // The file that the call itself names was judged by name.
        if *file != root && withheld.covers(file) {
            left_out += 1;
            continue;
        }
        let label = label(file, &root, shown_as.as_deref());
        found.search(&expression, file, &label);
    }
    Ok(found.render(left_out))
}

/// Files whose contents policy does not show.
struct Withheld(Vec<(GlobSet, GlobSet)>);

impl Withheld {
    /// FAIL CLOSED: a glob that cannot be built ends the search.
    fn new(lists: &[(Vec<String>, Vec<String>)]) -> Result<Self, String> {
        let set = |globs: &[String]| {
            let mut set = GlobSetBuilder::new();
            for glob in globs {
                let built = GlobBuilder::new(glob)
                    .literal_separator(true)
                    .backslash_escape(true)
                    .build()
                    .map_err(|e| format!("Error: withheld files: {e}"))?;
                set.add(built);
            }
            set.build().map_err(|e| format!("Error: withheld files: {e}"))
        };
        let pair = |(globs, except): &(Vec<String>, Vec<String>)| Ok((set(globs)?, set(except)?));
        lists.iter().map(pair).collect::<Result<_, String>>().map(Withheld)
    }

    fn covers(&self, file: &Path) -> bool {
        self.0.iter().any(|(globs, except)| globs.is_match(file) && !except.is_match(file))
    }
}

/// The path as ripgrep prints it: as it was asked for, or relative to the working folder.
fn label(file: &Path, root: &Path, shown_as: Option<&Path>) -> PathBuf {
    let below = file.strip_prefix(root).unwrap_or(file);
    match shown_as {
        Some(given) if below.as_os_str().is_empty() => given.to_path_buf(),
        Some(given) => given.join(below),
        None => below.to_path_buf(),
    }
}

struct Found {
    mode: Mode,
    cap: usize,
    text: String,
    lines: usize,
    dropped_lines: u64,
    dropped_bytes: u64,
}

impl Found {
    fn new(mode: Mode, cap: usize) -> Self {
        Found { mode, cap, text: String::new(), lines: 0, dropped_lines: 0, dropped_bytes: 0 }
    }

    fn search(&mut self, expression: &Regex, file: &Path, label: &Path) {
        // Opened like any judged path: a link swapped in after the walk is not followed.
        // What cannot be opened is skipped, as ripgrep does.
        let Ok(handle) = open::read(file) else { return };
        if !handle.metadata().is_ok_and(|about| about.is_file()) {
            return;
        }
        let mut hits = 0_u64;
        let label = label.display().to_string();
        let mode = self.mode;
        let _ = lines::each(handle, |number, line| {
            if !expression.is_match(line) {
                return ControlFlow::Continue(());
            }
            hits += 1;
            match mode {
                Mode::Files => return ControlFlow::Break(()),
                Mode::Content => self.add(&content_line(&label, number, line)),
                Mode::Count => {}
            }
            ControlFlow::Continue(())
        });
        match mode {
            Mode::Files if hits > 0 => self.add(&label),
            Mode::Count if hits > 0 => self.add(&format!("{label}:{hits}")),
            _ => {}
        }
    }

    fn add(&mut self, line: &str) {
        if self.lines >= MOST || self.text.len() + line.len() + 1 > self.cap {
            self.dropped_lines += 1;
            self.dropped_bytes += line.len() as u64 + 1;
            return;
        }
        if self.lines > 0 {
            self.text.push('\n');
        }
        self.text.push_str(line);
        self.lines += 1;
    }

    fn render(self, left_out: u64) -> Outcome {
        let withheld = match left_out {
            0 => String::new(),
            1 => "\n(1 file was not searched: policy withholds its contents)".to_owned(),
            n => format!("\n({n} files were not searched: policy withholds their contents)"),
        };
        if self.lines == 0 && self.dropped_lines == 0 {
            return Outcome::done(format!("(no matches){withheld}"));
        }
        let mut content = self.text;
        if self.dropped_lines > 0 {
            content.push_str(&format!(
                "\n(truncated at {} lines, {} more; limit {MOST} lines and {} bytes; \
                 use a more specific pattern, path or glob)",
                self.lines, self.dropped_lines, self.cap
            ));
        }
        content.push_str(&withheld);
        Outcome { omitted_bytes: self.dropped_bytes, ..Outcome::done(content) }
    }
}

fn content_line(label: &str, number: u64, line: &[u8]) -> String {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let shown = line.get(..WIDEST).unwrap_or(line);
    let mut text = String::from_utf8_lossy(shown).into_owned();
    if shown.len() < line.len() {
        text.push_str(&format!(" ({} more bytes in this line)", line.len() - shown.len()));
    }
    format!("{label}:{number}:{text}")
}
