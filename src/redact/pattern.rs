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
}

impl Pattern {
    /// Reads `ID=EXPRESSION`. The expression is searched for in one word (a run without blanks,
    /// quotes, brackets and commas); a group named `secret` narrows what is masked.
    ///
    /// # Errors
    /// What is wrong, without the place.
    pub fn parse(text: &str) -> Result<Pattern, String> {
        let (id, expression) = text.split_once('=').ok_or("expected ID=EXPRESSION")?;
        let is_id = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if id.is_empty() || id.len() > LONGEST_ID || !id.bytes().all(is_id) {
            return Err(format!("the id has 1 to {LONGEST_ID} of the characters a-z, 0-9 and -"));
        }
        RegexBuilder::new(expression)
            .unicode(false)
            .size_limit(SIZE)
            .build()
            .map_err(|error| error.to_string().lines().last().unwrap_or_default().to_owned())?;
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
        Ok(Pattern { id: id.to_owned(), expression: expression.to_owned(), beginnings })
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
}
