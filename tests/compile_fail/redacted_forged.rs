// error: E0423
fn main() {
    let _ = ion::redact::Redacted(String::from("plain"));
}
