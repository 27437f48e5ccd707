//! `Read`: numbered lines of a text file, with the cap stated in the text.

use super::{Arguments, Outcome, say};
use crate::worker::open;
use crate::worker::wire::CONTENTS_MAX;
use base64::Engine;
use std::io::Read;
use std::path::Path;

/// Bytes looked at to tell text from binary.
const SNIFF: usize = 8 << 10;
/// Largest file that is read at all, bytes.
const FILE_MAX: u64 = 256 << 20;
/// Largest PDF that is encoded whole, bytes.
const PDF_MAX: u64 = 10 << 20;

/// Runs the tool.
///
/// # Errors
/// The tool error.
pub fn run(arguments: &Arguments<'_>) -> Result<Outcome, String> {
    let path = arguments.path()?;
    let offset = arguments.count("offset")?.unwrap_or(1).max(1);
    let limit = arguments.count("limit")?;
    let pages = arguments.text("pages")?;
    let bytes = contents(&path, "reading")?;
    if bytes.starts_with(b"%PDF-") {
        return pdf(&bytes, pages);
    }
    if bytes.iter().take(SNIFF).any(|byte| *byte == 0) {
        return Err(format!(
            "Error: {} is a binary file of {} bytes, not text",
            path.display(),
            bytes.len()
        ));
    }
    Ok(numbered(&bytes, offset, limit, arguments.call.output_bytes))
}

/// The text of a file that a call will change, for the parent to look for values in; nothing for
/// one that is yet to be made.
///
/// # Errors
/// The tool error.
pub fn whole(arguments: &Arguments<'_>) -> Result<Outcome, String> {
    let path = arguments.path()?;
    if open::read(&path).is_err_and(|error| error.raw_os_error() == Some(libc::ENOENT)) {
        return Ok(Outcome::default());
    }
    let bytes = contents(&path, "reading")?;
    if bytes.len() > CONTENTS_MAX {
        let path = path.display();
        return Err(format!("Error: {path} is too large for a placeholder to be put back in it"));
    }
    let text = String::from_utf8(bytes);
    text.map(Outcome::done).map_err(|_| format!("Error: {} is not UTF-8 text", path.display()))
}

/// Reads a whole regular file. `doing` completes "Error ... file".
///
/// # Errors
/// The tool error.
pub fn contents(path: &Path, doing: &str) -> Result<Vec<u8>, String> {
    let failed = |e| format!("Error {doing} file: {}", say("open", path, &e));
    let file = open::read(path).map_err(failed)?;
    let about = file.metadata().map_err(failed)?;
    if about.is_dir() {
        return Err(format!("Error: {} is a directory, not a file", path.display()));
    }
    // A FIFO would wait for ever, a device never ends.
    if !about.is_file() {
        return Err(format!("Error: {} is not a regular file", path.display()));
    }
    let too_large = || {
        format!(
            "Error: {} is larger than {FILE_MAX} bytes; use Bash to look at parts of it",
            path.display()
        )
    };
    if about.len() > FILE_MAX {
        return Err(too_large());
    }
    let mut bytes = Vec::with_capacity(about.len() as usize);
    file.take(FILE_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > FILE_MAX { Err(too_large()) } else { Ok(bytes) }
}

fn numbered(bytes: &[u8], offset: u64, limit: Option<u64>, cap: usize) -> Outcome {
    let mut content = String::new();
    let skipped = usize::try_from(offset - 1).unwrap_or(usize::MAX);
    let taken = limit.and_then(|n| usize::try_from(n).ok()).unwrap_or(usize::MAX);
    let mut left = bytes.split(|byte| *byte == b'\n').enumerate().skip(skipped).take(taken);
    let mut omitted = 0_u64;
    let mut last_shown = offset - 1;
    for (index, line) in left.by_ref() {
        let text = format!("{:6}\t{}", index + 1, String::from_utf8_lossy(line));
        if content.len() + text.len() + 1 > cap {
            omitted = line.len() as u64 + 1;
            break;
        }
        if index > skipped {
            content.push('\n');
        }
        content.push_str(&text);
        last_shown = index as u64 + 1;
    }
    omitted += left.map(|(_, line)| line.len() as u64 + 1).sum::<u64>();
    if omitted > 0 {
        content.push_str(&format!(
            "\n(cut at the limit of {cap} bytes after line {last_shown}; \
             read on with offset {} and a limit)",
            last_shown + 1
        ));
    }
    Outcome { omitted_bytes: omitted, ..Outcome::done(content) }
}

fn pdf(bytes: &[u8], pages: Option<&str>) -> Result<Outcome, String> {
    if pages.is_some() {
        return Err("Error extracting PDF pages: this build cannot render pages".to_owned());
    }
    let size = bytes.len();
    if size as u64 > PDF_MAX {
        return Err(format!(
            "Error: PDF is {size} bytes (max {PDF_MAX} for full encoding). \
             Specify a page range with the 'pages' parameter."
        ));
    }
    let text = base64::engine::general_purpose::STANDARD.encode(bytes);
    Ok(Outcome::done(format!("[PDF base64 encoded, {size} bytes]\n{text}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_keep_their_real_numbers_and_a_final_newline_gives_an_empty_line() {
        let all = numbered(b"a\nb\n", 1, None, 1000);
        assert_eq!(all.content, "     1\ta\n     2\tb\n     3\t");
        assert_eq!(numbered(b"a\nb\nc", 2, Some(1), 1000).content, "     2\tb");
        assert_eq!(numbered(b"a\nb\nc", 9, None, 1000).content, "");
        assert_eq!(numbered(b"a\nb", 1, Some(0), 1000).content, "");
        assert_eq!(numbered(b"\xff\n", u64::MAX, None, 1000).content, "");
    }

    #[test]
    fn a_cut_says_so_and_where_to_go_on() {
        let cut = numbered(b"aaaa\nbbbb\ncccc", 1, None, 24);
        assert!(cut.content.starts_with("     1\taaaa\n     2\tbbbb\n(cut at"), "{}", cut.content);
        assert!(cut.content.contains("offset 3"));
        assert_eq!(cut.omitted_bytes, 5);
    }
}
