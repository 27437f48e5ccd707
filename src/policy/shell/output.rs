//! What a text of the shell prints, where that can be told without running anything.
//!
//! `$(echo rm)`, `<(printf …)` and the stages of `echo … | base64 -d | sh` become texts that are
//! looked at as code. INVARIANT (adds only): see `decode`, which knows the single programs.

use super::decode::{self, MAX_TEXT};
use super::walk::base_name;
use super::word::{self, Scope, options};
use super::{Word, guard};
use brush_parser::ast::{self, Command, CommandPrefixOrSuffixItem as Item, CompoundCommand};

/// Programs with which a text begins whose output may be known.
const FIRST: &[&str] = &[
    "echo", "printf", "cat", "base64", "base32", "basenc", "xxd", "rev", "tr", "openssl",
    "command", "builtin", "sed",
];

/// What the text of a substitution prints, without the line ends at its end.
pub fn of_text(text: &str, scope: &Scope<'_>) -> Option<String> {
    let first = text.trim_start().trim_start_matches(['\\', '(', '{', ' ', '\'', '"']);
    let first = first.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
    if !FIRST.contains(&first) || guard::too_much(text).is_some() {
        return None;
    }
    let tokens = brush_parser::uncached_tokenize_str(text, &options().tokenizer_options()).ok()?;
    let program = brush_parser::parse_tokens(&tokens, &options()).ok()?;
    let mut out = String::new();
    for list in &program.complete_commands {
        out.push_str(&of_list(list, scope, None)?);
    }
    out.truncate(out.trim_end_matches('\n').len());
    Some(out)
}

/// What a list prints, if every command of it is known.
pub fn of_list(list: &ast::CompoundList, scope: &Scope<'_>, input: Option<&str>) -> Option<String> {
    let mut out = String::new();
    for ast::CompoundListItem(chain, _) in &list.0 {
        let more = chain.additional.iter().map(|next| match next {
            ast::AndOr::And(pipeline) | ast::AndOr::Or(pipeline) => pipeline,
        });
        for pipeline in std::iter::once(&chain.first).chain(more) {
            let mut text = input.map(str::to_owned);
            for command in &pipeline.seq {
                text = of_command(command, scope, text.as_deref());
            }
            out.push_str(&text?);
            if out.len() > MAX_TEXT {
                return None;
            }
        }
    }
    Some(out)
}

/// What one command prints.
pub fn of_command(command: &Command, scope: &Scope<'_>, input: Option<&str>) -> Option<String> {
    match command {
        Command::Simple(simple) => of_simple(simple, scope, input),
        Command::Compound(CompoundCommand::BraceGroup(inner), _) => {
            of_list(&inner.list, scope, input)
        }
        Command::Compound(CompoundCommand::Subshell(inner), _) => {
            of_list(&inner.list, scope, input)
        }
        _ => None,
    }
}

fn of_simple(
    simple: &ast::SimpleCommand,
    scope: &Scope<'_>,
    input: Option<&str>,
) -> Option<String> {
    let mut words: Vec<Word> = Vec::new();
    let mut input = input.map(str::to_owned);
    let prefix = simple.prefix.iter().flat_map(|prefix| &prefix.0);
    let suffix = simple.suffix.iter().flat_map(|suffix| &suffix.0);
    // The program first: most are not known, and then no word needs to be read.
    let name = simple.word_or_name.as_ref()?;
    words.extend(word::resolve(&name.value, scope).words);
    let items = prefix.map(|item| (item, false)).chain(suffix.map(|item| (item, true)));
    for (item, operand) in items {
        match item {
            Item::Word(word) => words.extend(word::resolve(&word.value, scope).words),
            // An operand that looks like an assignment.
            Item::AssignmentWord(_, raw) if operand => {
                words.extend(word::resolve(&raw.value, scope).words);
            }
            Item::AssignmentWord(..) => {}
            Item::ProcessSubstitution(..) => return None,
            Item::IoRedirect(redirect) => input = of_redirect(redirect, scope).or(input),
        }
    }
    let mut at = 0;
    while words.get(at).is_some_and(|word| matches!(word.text.as_str(), "command" | "builtin")) {
        at += 1;
    }
    let program = base_name(&words.get(at)?.text);
    let text = decode::printed(&program, words.get(at + 1..)?, input.as_deref())?;
    let ends = program == "echo" && words.get(at + 1).is_none_or(|word| word.text != "-n");
    Some(if ends { text + "\n" } else { text })
}

fn of_redirect(redirect: &ast::IoRedirect, scope: &Scope<'_>) -> Option<String> {
    match redirect {
        ast::IoRedirect::HereString(_, word) => {
            let words = word::resolve(&word.value, scope).words;
            Some(words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" "))
        }
        ast::IoRedirect::HereDocument(_, document) if document.requires_expansion => {
            let words = word::resolve_document(&document.doc.value, scope).words;
            words.into_iter().next().map(|word| word.text)
        }
        ast::IoRedirect::HereDocument(_, document) => Some(document.doc.value.clone()),
        _ => None,
    }
}
