//! Compound commands: loops, conditions, cases, groups, coprocesses, `((…))` and `[[…]]`.
//!
//! Part of `walk`, which finds the commands. Every branch counts as one that could run.

use super::super::word::Variable;
use super::super::{Unit, Word, effects};
use super::{MAX_LOOP_VALUES, Walker, special};
use crate::policy::facts::Access;
use brush_parser::ast::{self, CompoundCommand};

impl Walker {
    pub(super) fn compound(&mut self, compound: &CompoundCommand) {
        match compound {
            CompoundCommand::Arithmetic(inner) => {
                self.arithmetic(&inner.expr);
                // The grammar takes `( (x) )`, two subshells, for `((x))`, an expression.
                if brackets_apart(&self.whole) {
                    let text = inner.expr.value.clone();
                    self.isolated(|walker| walker.nested(&text, &[]));
                }
            }
            CompoundCommand::ArithmeticForClause(inner) => {
                for expr in
                    [&inner.initializer, &inner.condition, &inner.updater].into_iter().flatten()
                {
                    self.arithmetic(expr);
                }
                self.maybe(|walker| walker.list(&inner.body.list));
            }
            CompoundCommand::BraceGroup(inner) => self.list(&inner.list),
            CompoundCommand::Subshell(inner) => self.isolated(|walker| walker.list(&inner.list)),
            CompoundCommand::ForClause(inner) => self.for_loop(inner),
            CompoundCommand::CaseClause(inner) => {
                self.resolve(&inner.value.value);
                for case in &inner.cases {
                    for pattern in &case.patterns {
                        self.resolve(&pattern.value);
                    }
                    if let Some(list) = &case.cmd {
                        self.maybe(|walker| walker.list(list));
                    }
                }
            }
            CompoundCommand::IfClause(inner) => {
                self.list(&inner.condition);
                self.maybe(|walker| {
                    walker.list(&inner.then);
                    for other in inner.elses.iter().flatten() {
                        if let Some(condition) = &other.condition {
                            walker.list(condition);
                        }
                        walker.list(&other.body);
                    }
                });
            }
            CompoundCommand::WhileClause(inner) | CompoundCommand::UntilClause(inner) => {
                self.maybe(|walker| {
                    walker.list(&inner.0);
                    walker.list(&inner.1.list);
                });
            }
            CompoundCommand::Coprocess(inner) => {
                if let Some(name) = &inner.name {
                    if special::is_special(&name.value) {
                        self.give_up(format!("it sets `{}` in a roundabout way", name.value));
                    }
                    self.forget(&name.value);
                }
                self.isolated(|walker| walker.command(&inner.body))
            }
        }
    }

    fn for_loop(&mut self, clause: &ast::ForClauseCommand) {
        let mut values = Vec::new();
        let name = &clause.variable_name;
        if special::is_special(name) {
            self.give_up(format!("it sets `{name}` in a roundabout way"));
        }
        for value in clause.values.iter().flatten() {
            let words = self.resolve(&value.value).words;
            for word in &words {
                self.second.gives(name, &value.value, Some(word));
            }
            values.extend(words);
        }
        if clause.values.is_none() {
            self.second.gives(name, "$@", None);
        }
        // The values are named by the line even if the body never uses them.
        let listed = Unit {
            paths: values
                .iter()
                .filter(|w| effects::looks_like_path(&w.text))
                .flat_map(|w| self.paths(&w.text, Access::Read))
                .collect(),
            transparent: true,
            ..Unit::default()
        };
        if !listed.paths.is_empty() {
            self.push(listed);
        }
        let known = !values.is_empty()
            && values.len() <= MAX_LOOP_VALUES
            && values.iter().all(|w| w.literal)
            && !self.selected.contains(name);
        if self.selected.contains(name) {
            self.second.unknown("REPLY");
            self.second.unknown(name);
            self.forget("REPLY");
        }
        if !known {
            self.forget(name);
            self.maybe(|walker| walker.list(&clause.body.list));
            // What is likely is looked at besides.
            let guesses = |word: &&Word| {
                !word.literal && !word.text.is_empty() && !word.text.starts_with(['$', '`'])
            };
            let guesses: Vec<Word> =
                values.iter().filter(guesses).take(MAX_LOOP_VALUES).cloned().collect();
            for value in guesses {
                let variable = Variable { value, certain: false };
                self.state.variables.insert(name.clone(), variable);
                self.maybe(|walker| walker.list(&clause.body.list));
                self.forget(name);
            }
            return;
        }
        for value in values {
            if self.exhausted {
                break;
            }
            // A glob may expand to a name that starts with a dash, unless a folder leads it.
            let certain = !value.glob || value.text.contains('/') || value.text.starts_with("*.");
            self.state.variables.insert(name.clone(), Variable { value, certain });
            self.maybe(|walker| walker.list(&clause.body.list));
        }
        self.forget(name);
    }

    fn arithmetic(&mut self, expr: &ast::UnexpandedArithmeticExpr) {
        self.evaluates(&expr.value);
        if expr.value.contains(['$', '`']) {
            let resolved = self.document(&expr.value);
            for word in &resolved.words {
                self.evaluates(&word.text);
            }
        }
    }

    pub(super) fn test(&mut self, expr: &ast::ExtendedTestExpr) {
        use ast::ExtendedTestExpr as Test;
        match expr {
            Test::And(a, b) | Test::Or(a, b) => {
                self.test(a);
                self.test(b);
            }
            Test::Not(a) | Test::Parenthesized(a) => self.test(a),
            Test::UnaryTest(predicate, word) => {
                use ast::UnaryPredicate as Unary;
                let names = matches!(
                    predicate,
                    Unary::ShellVariableIsSetAndAssigned | Unary::ShellVariableIsSetAndNameRef
                );
                self.tested(&word.value, names);
            }
            Test::BinaryTest(predicate, a, b) => {
                use ast::BinaryPredicate as Binary;
                let arithmetic = matches!(
                    predicate,
                    Binary::ArithmeticEqualTo
                        | Binary::ArithmeticNotEqualTo
                        | Binary::ArithmeticLessThan
                        | Binary::ArithmeticLessThanOrEqualTo
                        | Binary::ArithmeticGreaterThan
                        | Binary::ArithmeticGreaterThanOrEqualTo
                );
                self.tested(&a.value, arithmetic);
                self.tested(&b.value, arithmetic);
            }
        }
    }

    /// An operand of `[[ … ]]`, which may be an expression.
    fn tested(&mut self, raw: &str, evaluated: bool) {
        let resolved = self.resolve(raw);
        if evaluated {
            self.evaluates(raw);
            for word in &resolved.words {
                self.evaluates(&word.text);
            }
        }
    }
}

/// Whether two brackets of a line stand next to each other but for white space.
fn brackets_apart(text: &str) -> bool {
    let dense: String = text.chars().filter(|c| !c.is_whitespace() && *c != '\\').collect();
    ["((", "))"].iter().any(|pair| dense.matches(pair).count() != text.matches(pair).count())
}
