// error: E0624
fn opened(raw: ion::redact::Raw<String>) -> String {
    raw.into_inner()
}

fn main() {}
