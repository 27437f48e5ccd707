// error: E0308
use ion::gate::Trial;
use ion::redact::Redactor;
use ion::sandbox::Sandbox;

async fn run(trial: Trial, sandbox: &Sandbox, redactor: &Redactor) {
    let _ = sandbox.run(trial, redactor, Default::default()).await;
}

fn main() {}
