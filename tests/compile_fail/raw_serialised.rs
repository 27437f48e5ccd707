// error: E0277
fn stored(raw: ion::redact::Raw<String>) -> String {
    serde_json::to_string(&raw).unwrap()
}

fn main() {}
