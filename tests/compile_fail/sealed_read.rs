// compiles
fn look(inforce: &ion::config::InForce) -> bool {
    inforce.redaction.enabled.value
}

fn main() {}
