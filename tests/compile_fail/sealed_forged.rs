// error: E0624
fn forge(effective: ion::config::Effective) -> ion::config::InForce {
    ion::config::InForce::of(effective)
}

fn main() {}
