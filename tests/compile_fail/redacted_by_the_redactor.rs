// compiles
fn shown(redactor: &ion::redact::Redactor, text: &str) -> ion::redact::Redacted<String> {
    redactor.text(text)
}

fn main() {}
