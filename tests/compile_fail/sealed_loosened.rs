// error: E0594
fn loosen(mut inforce: ion::config::InForce) {
    inforce.redaction.enabled.value = false;
}

fn main() {}
