// error: E0507
fn take(inforce: ion::config::InForce) -> ion::config::effective::SandboxSettings {
    inforce.sandbox
}

fn main() {}
