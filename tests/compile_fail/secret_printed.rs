// error: E0277
fn shown(secret: ion::redact::Secret) -> String {
    format!("{secret}")
}

fn main() {}
