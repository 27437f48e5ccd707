//! Links that the line makes itself: what a later command touches through one lies elsewhere.
//!
//! Part of `walk`. The disk knows nothing of such a link yet, so its target is taken from the line.

use super::super::{Unit, Word};
use super::Walker;
use crate::model::AbsPath;
use crate::policy::facts::{Access, PathUse};

/// Most links of one line.
const MAX_LINKS: usize = 64;

impl Walker {
    /// Adds where the paths of a command lead through links of the line, then keeps its own links.
    pub(super) fn through_links(&mut self, unit: &mut Unit) {
        if !self.links.is_empty() {
            let names_link = matches!(unit.program.as_str(), "rm" | "unlink" | "mv" | "ln")
                && !unit.words.iter().any(|word| word.text.ends_with('/'));
            let mut beyond = Vec::new();
            let mut problem = None;
            for path in &unit.paths {
                for (link, target) in &self.links {
                    let whole = path.lexical == *link;
                    let inside = self.state.cwd.as_ref().is_some_and(|cwd| cwd.is_within(link));
                    if !path.lexical.is_within(link)
                        || whole && names_link && !inside && path.access == Access::Delete
                    {
                        continue;
                    }
                    let rest = path.lexical.to_string();
                    let rest = rest.get(link.to_string().len()..).unwrap_or_default();
                    match target.as_ref().map(|target| target.join(rest.trim_start_matches('/'))) {
                        Some(Some(there)) => beyond.push(PathUse::lexical(there, path.access)),
                        Some(None) if whole => {}
                        _ => problem = Some("where a link of the line leads is not known"),
                    }
                    if path.access != Access::Read {
                        problem = Some("it writes through a link that the line makes");
                    }
                }
            }
            if let Some(reason) = problem {
                unit.opaque.get_or_insert_with(|| reason.to_owned());
            }
            for path in beyond {
                if !unit.paths.contains(&path) {
                    unit.paths.push(path);
                }
            }
        }
        if unit.program == "ln" {
            self.keep_links(unit);
        }
    }

    fn keep_links(&mut self, unit: &Unit) {
        let operands: Vec<&Word> =
            unit.arguments().iter().filter(|word| !word.text.starts_with('-')).collect();
        let symbolic = unit.arguments().iter().any(|word| {
            word.text.starts_with("--s") || word.text.starts_with('-') && word.text.contains('s')
        });
        let Some(first) = operands.first() else { return };
        let name = first.text.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        let mut made: Vec<AbsPath> = Vec::new();
        match operands.get(1) {
            // In the working folder, by the name of the target.
            None => made.extend(self.state.cwd.as_ref().and_then(|cwd| cwd.join(name))),
            Some(place) => {
                for path in unit.writes().map(|path| &path.lexical) {
                    made.extend(path.join(name));
                    let folder = place.text.ends_with('/') || place.text.ends_with('.');
                    let above = self.state.bases.iter().any(|base| base.is_within(path));
                    if !folder && !above {
                        made.push(path.clone());
                    }
                }
            }
        }
        for link in made {
            // A symbolic target counts from the folder of the link.
            let folder = if symbolic { link.parent() } else { self.state.cwd.clone() };
            let elsewhere = unit.arguments().iter().any(|word| {
                word.text.starts_with("--t")
                    || word.text.starts_with('-') && word.text.contains('t')
            });
            let known = !elsewhere && first.literal && !first.glob && operands.len() <= 2;
            let target = match (known, first.text.strip_prefix('/'), &self.home) {
                (false, ..) => None,
                (true, Some(_), _) => AbsPath::new(&first.text),
                (true, None, Some(home)) if first.text.starts_with("~/") || first.text == "~" => {
                    home.join(first.text.trim_start_matches(['~', '/']))
                }
                _ => folder.and_then(|folder| folder.join(&first.text)),
            };
            if self.links.len() >= MAX_LINKS {
                return self.give_up("it makes too many links");
            }
            self.links.insert(link, target);
        }
    }
}
