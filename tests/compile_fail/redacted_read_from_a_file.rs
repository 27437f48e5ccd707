// error: E0277
fn main() {
    let _: ion::redact::Redacted<String> = serde_json::from_str("\"plain\"").unwrap();
}
