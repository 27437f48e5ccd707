//! Kinds of secrets of one's own, as the configuration writes them: `acme-key=acme_[a-z0-9]{20}`.
//!
//! An expression is looked at only where the fixed text stands that it begins with: without such
//! text every byte would be looked at, so it is refused. Read `kinds` for how it is used.

use regex::bytes::RegexBuilder;
use regex_syntax::hir::literal::Extractor;

const LONGEST_ID: usize = 40;
const FEWEST_FIXED: usize = 3;
const MOST_BEGINNINGS: usize = 64;
/// Bytes that a compiled expression may take.
const SIZE: usize = 1 << 20;

/// A kind of one's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// What the placeholder calls it.
    pub(in crate::redact) id: String,
    pub(in crate::redact) expression: String,
    /// The texts that it can begin with, in lower case.
    pub(in crate::redact) beginnings: Vec<String>,
    /// Whether no allow-list lets it through.
    pub(in crate::redact) fixed: bool,
}

/// What is not masked although it looks like a secret: a kind, or a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Allowed {
    /// A kind by its id.
    Kind(String),
    /// An expression for the whole masked text.
    Text(String),
}

fn is_id(id: &str) -> bool {
    let is_id = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=LONGEST_ID).contains(&id.len()) && id.bytes().all(is_id)
}

fn sound(error: &regex::Error) -> String {
    error.to_string().lines().last().unwrap_or_default().to_owned()
}

/// An expression that must match from the first to the last byte.
pub(in crate::redact) fn whole(expression: &str) -> Result<regex::bytes::Regex, regex::Error> {
    let expression = format!("^(?:{expression})$");
    RegexBuilder::new(&expression).unicode(false).size_limit(SIZE).build()
}

impl Allowed {
    /// Reads an entry: `KIND`, or `=EXPRESSION` for the whole of what would be masked.
    ///
    /// # Errors
    /// What is wrong, without the place.
    pub fn parse(text: &str) -> Result<Allowed, String> {
        match text.strip_prefix('=') {
            // On its own, so that no bracket in it closes what is put around it.
            Some(expression) => {
                let alone = RegexBuilder::new(expression).unicode(false).size_limit(SIZE).build();
                alone.and_then(|_| whole(expression)).map_err(|error| sound(&error))?;
                Ok(Allowed::Text(expression.to_owned()))
            }
            None if is_id(text) => Ok(Allowed::Kind(text.to_owned())),
            None => Err("expected the id of a kind, or =EXPRESSION".to_owned()),
        }
    }
}

impl Pattern {
    /// Reads `ID=EXPRESSION`. The expression is searched for in one word (a run without blanks,
    /// quotes, brackets and commas); a group named `secret` narrows what is masked.
    ///
    /// # Errors
    /// What is wrong, without the place.
    pub fn parse(text: &str) -> Result<Pattern, String> {
        let (id, expression) = text.split_once('=').ok_or("expected ID=EXPRESSION")?;
        if !is_id(id) {
            return Err(format!("the id has 1 to {LONGEST_ID} of the characters a-z, 0-9 and -"));
        }
        RegexBuilder::new(expression)
            .unicode(false)
            .size_limit(SIZE)
            .build()
            .map_err(|error| sound(&error))?;
        let parsed =
            regex_syntax::ParserBuilder::new().unicode(false).utf8(false).build().parse(expression);
        let parsed = parsed.map_err(|error| error.to_string())?;
        // One literal a branch: which character of a class follows helps nobody.
        let fixed = Extractor::new().limit_class(1).extract(&parsed);
        let beginnings: Vec<String> = fixed
            .literals()
            .unwrap_or_default()
            .iter()
            .map(|literal| String::from_utf8_lossy(literal.as_bytes()).to_ascii_lowercase())
            .collect();
        let too_short = beginnings.iter().any(|text| text.len() < FEWEST_FIXED);
        if beginnings.is_empty() || too_short || beginnings.len() > MOST_BEGINNINGS {
            return Err(format!(
                "the expression must begin with at least {FEWEST_FIXED} fixed characters, by which it is found"
            ));
        }
        let (id, expression) = (id.to_owned(), expression.to_owned());
        Ok(Pattern { id, expression, beginnings, fixed: false })
    }

    /// The same as a kind that no allow-list lets through.
    #[must_use]
    pub fn fixed(self) -> Pattern {
        Pattern { fixed: true, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_needs_fixed_text_to_be_found_by() {
        let pattern = Pattern::parse("acme-key=acme_(?P<secret>[a-z0-9]{20})").unwrap();
        assert_eq!(pattern.beginnings, ["acme_"]);
        assert_eq!(Pattern::parse("x=(?:abc|ABD)[0-9]+").unwrap().beginnings, ["abc", "abd"]);
        for (wrong, why) in [
            ("acme_[0-9]+", "ID=EXPRESSION"),
            ("Acme=acme_", "the id has"),
            ("=acme_", "the id has"),
            ("a=[a-z]+secret", "fixed characters"),
            ("a=", "fixed characters"),
            ("a=ab[0-9]", "fixed characters"),
            ("a=acme_(", "unclosed group"),
            ("a=acme_[a-z]{100000}{1000}", "size"),
        ] {
            let told = Pattern::parse(wrong).unwrap_err();
            assert!(told.contains(why), "{wrong}: {told}");
        }
    }

    #[test]
    fn an_exception_is_a_kind_or_an_expression_for_the_whole_text() {
        assert_eq!(Allowed::parse("jwt"), Ok(Allowed::Kind("jwt".to_owned())));
        assert!(
            whole("ab|cd").unwrap().is_match(b"cd") && !whole("ab|cd").unwrap().is_match(b"cde")
        );
        for wrong in ["", "JWT", "jwt=x", "=acme_(", "=a)|(b", "=a{1000}{1000}{1000}"] {
            assert!(Allowed::parse(wrong).is_err(), "{wrong}");
        }
    }
}
