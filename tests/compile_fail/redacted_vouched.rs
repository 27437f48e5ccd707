// error: E0624
fn main() {
    let _ = ion::redact::Redacted::vouch(String::from("plain"));
}
