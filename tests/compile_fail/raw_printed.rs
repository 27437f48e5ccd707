// error: E0277
fn shown(raw: ion::redact::Raw<String>) -> String {
    format!("{raw}")
}

fn main() {}
