//! The files that a patch of `apply_patch` makes, changes, moves and removes.
//!
//! FAIL CLOSED: only what is surely a patch is read. The reader of the agent is lenient about
//! blanks around headers, so a line counts as a header if it looks like one after trimming; what
//! only looks like one is judged as well, which can refuse too much and never too little.

use super::event::Part;
use serde_json::{Map, Value};

const BEGIN: &str = "*** Begin Patch";
const END: &str = "*** End Patch";

/// Whether a command line carries a patch to `apply_patch`, which the agent would apply itself.
pub fn hides_in(command: &str) -> bool {
    command.contains(BEGIN) && (command.contains("apply_patch") || command.contains("applypatch"))
}

/// The writes and edits of a patch, in Ion's words.
///
/// # Errors
/// It is not surely understood.
pub fn parts(patch: &str) -> Result<Vec<Part>, String> {
    let lines: Vec<&str> = patch.trim().lines().collect();
    let inner = match lines.as_slice() {
        [first, inner @ .., last] if first.trim() == BEGIN && last.trim() == END => inner,
        // The same inside a here-document, as some models write it.
        [open, first, inner @ .., last, close]
            if matches!(open.trim(), "<<EOF" | "<<'EOF'" | "<<\"EOF\"")
                && close.trim() == "EOF"
                && first.trim() == BEGIN
                && last.trim() == END =>
        {
            inner
        }
        _ => return Err(format!("the patch does not begin with `{BEGIN}` and end with `{END}`")),
    };
    let mut files: Vec<File> = Vec::new();
    for line in inner {
        let Some(header) = line.trim().strip_prefix("***") else {
            match files.last_mut() {
                Some(file) => file.take(line),
                None if line.trim().is_empty() => {}
                None => return Err("the patch has text before its first file".to_owned()),
            }
            continue;
        };
        let header = header.trim();
        let named = |kind: &str| header.strip_prefix(kind).map(|path| path.trim().to_owned());
        if let Some(path) = named("Add File:") {
            files.push(File::new(path, &["Write"]));
        } else if let Some(path) = named("Update File:") {
            files.push(File::new(path, &["Edit"]));
        } else if let Some(path) = named("Delete File:") {
            files.push(File::new(path, &["Write", "Edit"]));
        } else if let Some(path) = named("Move to:") {
            let Some(from) = files.last_mut() else {
                return Err("the patch moves a file that it does not name".to_owned());
            };
            // What is moved away is gone there, and made here.
            from.tools = &["Write", "Edit"];
            files.push(File::new(path, &["Write"]));
        } else if header != "End of File" {
            return Err("the patch has a `***` line of an unknown kind".to_owned());
        }
    }
    if files.is_empty() {
        return Err("the patch names no file".to_owned());
    }
    if files.iter().any(|file| file.path.is_empty()) {
        return Err("the patch has a file without a name".to_owned());
    }
    Ok(files.iter().flat_map(File::parts).collect())
}

struct File {
    path: String,
    tools: &'static [&'static str],
    text: String,
}

impl File {
    fn new(path: String, tools: &'static [&'static str]) -> Self {
        File { path, tools, text: String::new() }
    }

    /// Keeps what the line adds, so that rules about content see it.
    fn take(&mut self, line: &str) {
        if let Some(added) = line.strip_prefix('+') {
            self.text.push_str(added);
            self.text.push('\n');
        }
    }

    fn parts(&self) -> impl Iterator<Item = Part> {
        self.tools.iter().map(|tool| {
            let mut input = Map::new();
            let mut put = |key: &str, text: &str| {
                input.insert(key.to_owned(), Value::String(text.to_owned()));
            };
            put("file_path", &self.path);
            if *tool == "Write" {
                put("content", &self.text);
            } else {
                put("old_string", "");
                put("new_string", &self.text);
            }
            Part::new(tool, input)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn named(patch: &str) -> Vec<(String, String)> {
        let path = |part: &Part| part.input["file_path"].as_str().unwrap().to_owned();
        parts(patch).unwrap().iter().map(|part| (part.tool.clone(), path(part))).collect()
    }

    fn pairs(wanted: &[(&str, &str)]) -> Vec<(String, String)> {
        wanted.iter().map(|(tool, path)| ((*tool).to_owned(), (*path).to_owned())).collect()
    }

    #[test]
    fn every_file_of_a_patch_is_named_also_where_it_moves_to() {
        let patch = "*** Begin Patch\n*** Add File: a\n+x\n*** Update File: b\n*** Move to: ../../etc/x\n@@\n-1\n+2\n\
                     *** Delete File: c\n*** End Patch\n";
        let wanted = [
            ("Write", "a"),
            ("Write", "b"),
            ("Edit", "b"),
            ("Write", "../../etc/x"),
            ("Write", "c"),
            ("Edit", "c"),
        ];
        assert_eq!(named(patch), pairs(&wanted));
    }

    #[test]
    fn a_header_with_blanks_around_it_is_not_overlooked() {
        let patch =
            " *** Begin Patch\n  *** Add File: a \n+x\n\t*** Delete File:   /etc/x\n*** End Patch ";
        assert_eq!(named(patch), pairs(&[("Write", "a"), ("Write", "/etc/x"), ("Edit", "/etc/x")]));
        let here = "<<'EOF'\n*** Begin Patch\n*** Add File: a\n+x\n*** End Patch\nEOF\n";
        assert_eq!(named(here), pairs(&[("Write", "a")]));
    }

    #[test]
    fn what_is_not_surely_a_patch_is_an_error() {
        for wrong in [
            "",
            "x",
            "*** Begin Patch\n*** End Patch",
            "*** Begin Patch\n*** Add File: a\n+x",
            "*** Begin Patch\n*** Add File:\n+x\n*** End Patch",
            "*** Begin Patch\n*** Add File: a\n+x\n*** End Patch\n*** Delete File: b",
            "*** Begin Patch\n*** Environment ID: far\n*** Add File: a\n+x\n*** End Patch",
            "*** Begin Patch\n*** Rename File: a\n*** End Patch",
            "*** Begin Patch\n*** Move to: a\n*** End Patch",
            "*** Begin Patch\nstray\n*** Add File: a\n*** End Patch",
            "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b",
        ] {
            assert!(parts(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn no_text_ends_in_a_panic(text in "(\\*\\*\\* (Begin Patch|End Patch|Add File: a|Move to: b)|\\+x|\\PC{0,8})(\n|\r\n|\r){0,2}(\\PC|\n){0,20}") {
            let _ = parts(&text);
        }

        #[test]
        fn each_named_file_is_judged(names in proptest::collection::vec("[a-z./]{1,8}", 1..6)) {
            let mut patch = String::from("*** Begin Patch\n");
            for name in &names {
                patch.push_str(&format!("*** Update File: {name}\n@@\n+x\n"));
            }
            patch.push_str("*** End Patch");
            let found = parts(&patch).unwrap();
            prop_assert!(names.iter().all(|name| found.iter().any(|p| p.input["file_path"] == name.trim())));
        }
    }
}
