//! Counts for people.

/// `1 record`, `2 records`, `1,204 records`.
pub fn plural(count: usize, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        n => format!("{} {noun}s", thousands(n)),
    }
}

/// `1,204`.
pub fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_one_and_large_numbers_are_grouped() {
        assert_eq!(plural(1, "edit"), "1 edit");
        assert_eq!(plural(0, "edit"), "0 edits");
        assert_eq!(plural(1_204, "call"), "1,204 calls");
        assert_eq!(thousands(1_234_567), "1,234,567");
    }
}
