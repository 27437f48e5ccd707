//! A simple command with its final words: unwrapped, its paths found, listed.
//!
//! The other half of `walk`, which finds the commands. Nothing here runs anything.

use super::super::UNKNOWN_TEXT;
use super::super::effects::{self, is_harmless_device};
use super::super::wrap::{self, Inner};
use super::super::{ANY, ANY_NAME, ANY_PLAIN_NAME, Assignment, MAX_DEPTH, Reach, Unit, Word};
use super::super::{contact, options};
use super::call::script_operands;
use super::fed::no_script;
use super::{Context, Walker, base_name, text_of};
use crate::model::AbsPath;
use crate::policy::facts::{Access, PathUse};

/// Longest path in bytes that is looked at: what the kernel takes.
const MAX_PATH: usize = 4096;

/// Most paths of one command that are not known in full.
const MAX_REACHES: usize = 64;

/// Takes the dots out of a shape. What a `..` after an unknown name leads to is any folder.
fn clean(shape: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    let mut any = shape.starts_with(ANY);
    let marks = [ANY, ANY_NAME, ANY_PLAIN_NAME];
    let count = shape.split('/').count();
    for (at, part) in shape.split('/').enumerate() {
        let wild = part.contains(marks);
        // A pattern such as `.?` can name the folder above.
        let climbs = wild
            && part.starts_with('.')
            && part.trim_start_matches('.').chars().all(|c| marks.contains(&c));
        match part {
            "" | "." => {}
            ".." => match parts.pop() {
                Some(last) if last.contains(ANY) => {
                    parts.clear();
                    any = true;
                }
                _ => {}
            },
            _ if climbs && at + 1 < count => {
                parts.clear();
                any = true;
            }
            part => parts.push(part),
        }
    }
    let path = parts.join("/");
    match (any, path.starts_with(ANY)) {
        (true, true) => path,
        (true, false) => format!("{ANY}/{path}"),
        (false, _) => format!("/{path}"),
    }
}

impl Walker {
    /// `text` as paths: relative to every folder that could be current.
    pub(super) fn paths(&self, text: &str, access: Access) -> Vec<PathUse> {
        let mut found = Vec::new();
        if text.len() > MAX_PATH {
            return found;
        }
        let mut add = |path: Option<AbsPath>| {
            let fresh = path.filter(|path| !is_harmless_device(&path.to_string()));
            if let Some(path) =
                fresh.map(|path| PathUse::lexical(path, access)).filter(|p| !found.contains(p))
            {
                found.push(path);
            }
        };
        // `~/x` inside quotes is not expanded by the shell, but is judged as if it were.
        if let (Some(rest), Some(home)) = (text.strip_prefix('~'), &self.home)
            && (rest.is_empty() || rest.starts_with('/'))
        {
            add(home.join(rest.trim_start_matches('/')));
            return found;
        }
        if text.starts_with('/') {
            add(AbsPath::new(text));
            return found;
        }
        add(self.state.cwd.as_ref().and_then(|cwd| cwd.join(text)));
        if access != Access::Read {
            for base in &self.state.bases {
                add(base.join(text));
            }
        }
        found
    }

    /// A command with its final words: unwraps it, finds its paths, lists it.
    pub(super) fn run(&mut self, words: Vec<Word>, mut unit: Unit, context: Context, more: bool) {
        if self.depth >= MAX_DEPTH {
            return self.give_up(format!("it nests deeper than {MAX_DEPTH} levels"));
        }
        let Some(first) = words.first().cloned() else { return };
        let more = more || self.late;
        let program = base_name(&first.text);
        let args: Vec<Word> = words.iter().skip(1).cloned().collect();
        unit.via.extend(context.via.iter().cloned());
        unit.remote |= self.remote;
        unit.late = more;
        if !first.literal || first.glob {
            unit.opaque = Some("the program is only known when it runs".to_owned());
        } else if more && first.text == "{}" {
            unit.opaque = Some(UNKNOWN_TEXT.to_owned());
        }
        unit.text = text_of(&program, &args);
        unit.program.clone_from(&program);
        unit.self_call = self.inside.contains(&program);
        self.subscripts(&program, &args, &mut unit);
        self.builtin(&program, &args);
        self.redefines(&program, &args, &mut unit);
        self.positional(&program, &args);
        let called = self.functions.get(&program).cloned();
        unit.transparent |= self.state.defined.contains(&program);
        self.own_paths(&program, &first, &args, more, &mut unit);
        self.new_file_use(&program, &first, &args, &mut unit);
        if matches!(program.as_str(), "cd" | "pushd" | "popd") {
            self.change_folder(&args);
        }
        if matches!(program.as_str(), "export" | "declare" | "typeset" | "local" | "readonly") {
            // `local` fails outside a function, and options change what a value becomes.
            let plain = (program != "local" || !self.inside.is_empty())
                && !args.iter().any(|w| w.text.starts_with(['-', '+']));
            let assignments = unit.assignments.clone();
            if plain {
                self.remember(&assignments);
            } else {
                self.maybe(|walker| walker.remember(&assignments));
            }
        }
        let wrapped = wrap::unwrap(&program, &args);
        if let (None, Some(document)) = (&wrapped, &context.document) {
            if wrap::is_shell(&program) && document.literal && no_script(&args) {
                let via = [context.via.clone(), vec![program.clone()]].concat();
                self.isolated(|walker| walker.nested(&document.text, &via));
                unit.transparent = true;
            } else if wrap::is_shell(&program) && no_script(&args) {
                unit.opaque.get_or_insert_with(|| UNKNOWN_TEXT.to_owned());
            } else if wrap::is_interpreter(&program)
                || matches!(
                    program.as_str(),
                    "psql" | "mysql" | "sqlite3" | "mongo" | "mongosh" | "ssh"
                )
            {
                unit.code = Some(document.text.clone());
                unit.dynamic |= !document.literal;
            }
        }
        let mut fed = self.fed(&program, &args, &context, &mut unit);
        if let Some(reason) = options::runs_more(&program, &args) {
            unit.opaque.get_or_insert(reason);
        }
        let contacts = contact::contacts(&program, &args, more);
        unit.hosts.extend(contacts.hosts);
        unit.unknown_host |= contacts.unknown;
        unit.words = words;
        let Some(wrapped) = wrapped else {
            if let (true, Some(script)) =
                (wrap::is_shell(&program), args.iter().find(|w| !w.text.starts_with('-')))
                && !script.literal
                && !script.text.starts_with("<(")
            {
                unit.opaque
                    .get_or_insert_with(|| "the script is only known when it runs".to_owned());
            }
            let via = [unit.via.clone(), vec![program.clone()]].concat();
            self.push(unit);
            self.run_fed(fed, &via, more);
            if let Some(body) = called {
                self.call(&program, &body, &args, more);
            }
            return;
        };
        unit.transparent |= wrapped.transparent && !more;
        for (name, value) in &wrapped.assignments {
            unit.assignments.push(Assignment { name: name.clone(), value: value.clone() });
        }
        let via = [unit.via.clone(), vec![program.clone()]].concat();
        let fed_by = unit.fed_by.clone();
        let mut todo = Vec::new();
        for inner in wrapped.inner {
            match inner {
                Inner::Code(code) => {
                    unit.dynamic |= !code.literal;
                    unit.code = Some(code.text);
                }
                Inner::Text(text) if !text.literal => {
                    unit.opaque.get_or_insert_with(|| UNKNOWN_TEXT.to_owned());
                    unit.transparent = false;
                    fed.guess(&text);
                }
                other => todo.push(other),
            }
        }
        fed.code(&program, unit.code.as_deref());
        self.push(unit);
        if let Some(body) = called {
            self.call(&program, &body, &args, more);
        }
        let remote = self.remote;
        self.remote |= wrapped.remote;
        self.run_fed(fed, &via, more);
        self.depth += 1;
        for inner in todo {
            let document = context.document.clone();
            let printed = context.printed.clone();
            match inner {
                Inner::Words(words, later) => {
                    let inner_unit = Unit { fed_by: fed_by.clone(), ..Unit::default() };
                    self.run(
                        words,
                        inner_unit,
                        Context { via: via.clone(), document, printed, redirected: false },
                        later || more,
                    );
                }
                Inner::Text(text) => {
                    // Another shell: it has none of the variables that were not exported.
                    let late = std::mem::replace(&mut self.late, more);
                    let known = document.map(|word| word.text);
                    let input = known.or_else(|| printed.into_iter().next());
                    let input = input.or_else(|| self.input.clone());
                    let input = std::mem::replace(&mut self.input, input);
                    let variables = std::mem::take(&mut self.state.variables);
                    let eval = matches!(program.as_str(), "eval" | "trap" | "alias");
                    let positional = self.state.positional.clone();
                    if !eval {
                        self.state.positional = script_operands(&program, &args, more);
                    }
                    if eval {
                        // It may change what this shell knows, and its text may hide the names.
                        self.state.variables = variables;
                        self.maybe(|walker| walker.nested(&text.text, &via));
                    } else {
                        self.isolated(|walker| walker.nested(&text.text, &via));
                        self.state.variables = variables;
                        self.state.positional = positional;
                    }
                    self.late = late;
                    self.input = input;
                }
                Inner::Code(_) => {}
            }
        }
        self.depth -= 1;
        self.remote = remote;
    }

    /// Builtins that evaluate a subscript run the substitutions inside it, even quoted ones.
    fn subscripts(&mut self, program: &str, args: &[Word], unit: &mut Unit) {
        let named = args.iter().any(|w| w.text == "-v");
        let evaluates = match program {
            "let" | "declare" | "typeset" | "local" | "export" | "readonly" | "unset" | "read"
            | "mapfile" => true,
            "test" | "[" | "printf" | "wait" => named,
            _ => false,
        };
        for word in args.iter().filter(|_| evaluates) {
            let hidden = word.text.contains("$(") || word.text.contains('`');
            if hidden && (program == "let" || word.text.contains('[')) {
                unit.opaque = Some("a subscript in it runs a command".to_owned());
                self.resolve(&word.text);
            }
        }
    }

    /// Keeps a path that is not known in full, or the root of a tree.
    pub(super) fn reach(&self, shape: &str, access: Access, tree: bool, unit: &mut Unit) {
        if shape.len() > MAX_PATH || is_harmless_device(shape) {
            return;
        }
        for shape in self.absolute_shapes(shape) {
            let reach = Reach { shape, access, tree };
            let needed = tree || reach.shape.contains([ANY, ANY_NAME, ANY_PLAIN_NAME]);
            if needed && unit.reaches.len() < MAX_REACHES && !unit.reaches.contains(&reach) {
                unit.reaches.push(reach);
            } else if needed && unit.reaches.len() >= MAX_REACHES {
                // FAIL CLOSED: too many to ask about one by one.
                unit.opaque.get_or_insert_with(|| {
                    format!("more than {MAX_REACHES} of its paths are not known in full")
                });
            }
        }
    }

    /// A shape below every folder that could be current.
    fn absolute_shapes(&self, shape: &str) -> Vec<String> {
        let whole = match shape.strip_prefix('~') {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => {
                self.home.as_ref().map(|home| format!("{home}{rest}"))
            }
            _ => shape.starts_with(['/', ANY]).then(|| shape.to_owned()),
        };
        if let Some(whole) = whole {
            return vec![clean(&whole)];
        }
        let mut bases: Vec<String> = self.state.bases.iter().map(AbsPath::to_string).collect();
        match (&self.state.cwd, &self.state.cwd_shape) {
            (Some(cwd), _) => bases.push(cwd.to_string()),
            (None, shape) => bases.push(shape.clone().unwrap_or_else(|| ANY.to_string())),
        }
        let mut found: Vec<String> =
            bases.into_iter().map(|base| clean(&format!("{base}/{shape}"))).collect();
        found.sort();
        found.dedup();
        found
    }

    fn own_paths(
        &mut self,
        program: &str,
        first: &Word,
        args: &[Word],
        more: bool,
        unit: &mut Unit,
    ) {
        if unit.remote {
            return;
        }
        if first.text.contains('/') {
            unit.paths.extend(self.paths(&first.text, Access::Read));
        }
        let inner_later = matches!(program, "xargs" | "parallel")
            || wrap::is_shell(program)
                && args.iter().any(|w| w.text.starts_with('-') && w.text.contains('c'));
        if inner_later || wrap::unwrap(program, args).is_some_and(|w| w.transparent) {
            return;
        }
        let tree = effects::reads_tree(program, args);
        let operands = effects::operands(program, args, more);
        if tree && operands.is_empty() {
            self.reach(".", Access::Read, true, unit);
        }
        // The attack: `cd ~/.aws && node -p …` and `cd /tmp/x && make` name no path at all.
        if operands.is_empty() && self.elsewhere() && effects::uses_folder(program) {
            self.reach(".", Access::Read, true, unit);
            unit.paths.extend(self.paths(".", Access::Read));
        }
        for operand in operands {
            self.reach(&operand.shape, operand.access, tree, unit);
            // FAIL CLOSED: no kernel takes such a path, so this is not what it seems to be.
            if operand.text.len() > MAX_PATH {
                unit.opaque
                    .get_or_insert_with(|| format!("a path in it is longer than {MAX_PATH} bytes"));
                continue;
            }
            if operand.dynamic {
                if operand.access != Access::Read {
                    unit.dynamic = true;
                }
                if operand.text.is_empty() {
                    continue;
                }
            }
            let relative = !operand.text.starts_with(['/', '~']);
            if relative && self.state.cwd.is_none() && operand.access != Access::Read {
                unit.dynamic = true;
            }
            let paths = self.paths(&operand.text, operand.access);
            unit.paths.extend(paths);
        }
        if program == "git"
            && let Some(at) = args
                .iter()
                .position(|w| matches!(w.text.as_str(), "-C" | "--git-dir" | "--work-tree"))
        {
            let changes = args.iter().skip(at + 2).any(|w| {
                matches!(
                    w.text.as_str(),
                    "clean"
                        | "reset"
                        | "checkout"
                        | "commit"
                        | "rm"
                        | "restore"
                        | "stash"
                        | "rebase"
                        | "merge"
                        | "add"
                        | "gc"
                        | "push"
                        | "config"
                )
            });
            if let Some(folder) = args.get(at + 1) {
                unit.paths.extend(
                    self.paths(&folder.text, if changes { Access::Write } else { Access::Read }),
                );
            }
        }
    }

    /// Whether the line has left the folder that it began in.
    fn elsewhere(&self) -> bool {
        let start = self.state.bases.first();
        matches!((&self.state.cwd, start), (Some(cwd), Some(start)) if !cwd.is_within(start))
    }

    /// Marks a command that runs what the same line fetched or wrote.
    fn new_file_use(&mut self, program: &str, first: &Word, args: &[Word], unit: &mut Unit) {
        let mut candidates = Vec::new();
        if first.text.contains('/') {
            candidates.extend(self.paths(&first.text, Access::Read));
        }
        if wrap::is_interpreter(program) || matches!(program, "source" | "." | "make") {
            for word in args.iter().filter(|w| !w.text.starts_with('-')) {
                candidates.extend(self.paths(&word.text, Access::Read));
            }
        }
        let written = candidates.iter().any(|path| self.new_files.contains(&path.lexical));
        let fetched = self.fetched && first.text.contains('/') && !first.text.starts_with('/')
            || self.fetched && program == "make";
        unit.runs_new_file = written || fetched;
        if matches!(program, "curl" | "wget" | "aria2c" | "fetch" | "scp")
            || program == "git" && args.iter().any(|w| w.text == "clone")
        {
            self.fetched = true;
        }
        // What a compiler makes comes from the project's own sources.
        let compiles = matches!(
            program,
            "gcc"
                | "cc"
                | "g++"
                | "c++"
                | "clang"
                | "clang++"
                | "rustc"
                | "go"
                | "javac"
                | "ld"
                | "tsc"
        );
        // These change what is known of a file, not what it holds.
        let keeps = matches!(program, "chmod" | "chown" | "chgrp" | "setfacl" | "touch" | "mkdir");
        if compiles || keeps {
            return;
        }
        self.new_files.extend(unit.writes().map(|path| path.lexical.clone()));
        if matches!(program, "curl" | "wget") {
            let name = args
                .iter()
                .filter(|w| w.text.contains("://"))
                .filter_map(|w| w.text.rsplit('/').next());
            let paths: Vec<_> =
                name.flat_map(|name| self.paths(name, Access::Read)).map(|p| p.lexical).collect();
            self.new_files.extend(paths);
        }
    }

    fn change_folder(&mut self, args: &[Word]) {
        let target = args.iter().find(|w| !w.text.starts_with('-') || w.text == "-");
        let next = match target {
            None => self.home.clone(),
            Some(word)
                if word.literal
                    && !word.glob
                    && word.text != "-"
                    && !word.text.starts_with('+') =>
            {
                self.paths(&word.text, Access::Read).into_iter().next().map(|path| path.lexical)
            }
            Some(_) => None,
        };
        self.state.cwd_shape = match (&next, target) {
            (None, Some(word)) if word.text != "-" && !word.text.starts_with('+') => {
                let mut shapes = self.absolute_shapes(word.shape());
                let shape = shapes.pop();
                if shapes.is_empty() { shape } else { Some(ANY.to_string()) }
            }
            _ => None,
        };
        if let Some(next) = &next
            && self.state.bases.len() < 8
            && !self.state.bases.contains(next)
        {
            self.state.bases.push(next.clone());
        }
        self.state.cwd = next;
    }
}
