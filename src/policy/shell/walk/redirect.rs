//! Redirections: the files that they touch, the documents that they bring, the hosts behind
//! `/dev/tcp`.
//!
//! Part of `walk`. A redirection is judged even where it stands without a command.

use super::super::{ANY, Unit, Word, host, output};
use super::{Context, Walker};
use crate::policy::facts::Access;
use brush_parser::ast;

impl Walker {
    /// The redirections of a compound command; what they feed it, as far as it is known.
    pub(super) fn redirects_alone(
        &mut self,
        redirects: Option<&ast::RedirectList>,
    ) -> Option<String> {
        let redirects = redirects?;
        let (mut unit, mut context) =
            (Unit { transparent: true, ..Unit::default() }, Context::default());
        for redirect in &redirects.0 {
            self.redirect(redirect, &mut unit, &mut context);
        }
        unit.text = unit
            .paths
            .iter()
            .map(|p| format!("redirection {}", p.lexical))
            .collect::<Vec<_>>()
            .join(" ");
        self.push(unit);
        let document = context.document.map(|word| word.text);
        document.or_else(|| context.printed.into_iter().next())
    }

    pub(super) fn redirect(
        &mut self,
        redirect: &ast::IoRedirect,
        unit: &mut Unit,
        context: &mut Context,
    ) {
        use ast::{IoFileRedirectKind as Kind, IoFileRedirectTarget as Target, IoRedirect};
        match redirect {
            IoRedirect::File(_, kind, target) => match target {
                Target::Filename(word) => {
                    let access =
                        if matches!(kind, Kind::Read) { Access::Read } else { Access::Write };
                    self.redirected(&word.value, access, unit);
                }
                Target::Fd(_) => {}
                Target::ProcessSubstitution(_, inner) => {
                    context.printed.extend(output::of_list(&inner.list, &self.scope(), None));
                    self.isolated(|walker| walker.list(&inner.list))
                }
                Target::Duplicate(word) => {
                    // What is no number is a file, and its name is expanded a second time.
                    if word.value.contains(['$', '`', '\\', '\'', '"', '~', '{']) {
                        self.evaluates(&word.value);
                        self.give_up("the target of a redirection in it is expanded twice");
                    }
                    // Bash closes the descriptor at the dash and reads the rest as a word.
                    if word.value.len() > 1 && word.value.starts_with('-') {
                        self.give_up("a redirection in it is glued to a word");
                    }
                    let number =
                        word.value.trim_end_matches('-').chars().all(|c| c.is_ascii_digit());
                    if !number {
                        let access = if matches!(kind, Kind::DuplicateInput) {
                            Access::Read
                        } else {
                            Access::Write
                        };
                        self.redirected(&word.value, access, unit);
                    }
                }
            },
            IoRedirect::OutputAndError(word, _) => {
                self.redirected(&word.value, Access::Write, unit)
            }
            IoRedirect::HereString(_, word) => {
                let resolved = self.resolve(&word.value);
                // No braces are expanded here and nothing is split.
                let one = resolved.words.len() <= 1;
                let word = resolved.words.into_iter().next();
                let word = word.unwrap_or_else(|| Word::known(""));
                context.document = Some(if one { word } else { Word::unknown(word.text) });
            }
            IoRedirect::HereDocument(_, document) => {
                let raw = document.doc.value.as_str();
                context.document = Some(if document.requires_expansion {
                    let resolved = self.document(raw);
                    resolved.words.into_iter().next().unwrap_or_else(|| Word::known(""))
                } else {
                    self.second.text(raw);
                    Word::known(raw)
                });
            }
        }
    }

    fn redirected(&mut self, raw: &str, access: Access, unit: &mut Unit) {
        for word in self.resolve(raw).words {
            if let Some(socket) =
                word.text.strip_prefix("/dev/tcp/").or_else(|| word.text.strip_prefix("/dev/udp/"))
            {
                let socket = socket.replacen('/', ":", 1);
                match host::normal(
                    &word
                        .shape()
                        .get("/dev/tcp/".len()..)
                        .unwrap_or_default()
                        .replacen('/', ":", 1),
                ) {
                    Some(host) => unit.hosts.push(host),
                    None => unit.unknown_host = true,
                }
                unit.sockets.push(socket);
                continue;
            }
            if !word.literal && access != Access::Read {
                unit.dynamic = true;
            }
            // It may turn out to be `/dev/tcp/HOST/PORT`.
            let known = word.shape().split(ANY).next().unwrap_or_default();
            let network = ["/dev/tcp/", "/dev/udp/"];
            unit.unknown_host |= known.len() < word.shape().len()
                && network.iter().any(|start| start.starts_with(known) || known.starts_with(start));
            self.reach(word.shape(), access, false, unit);
            let paths = self.paths(&word.text, access);
            if access == Access::Write {
                self.new_files.extend(paths.iter().map(|path| path.lexical.clone()));
            }
            unit.paths.extend(paths);
        }
    }
}
