// error: E0599
fn copied(permit: ion::gate::Permit) -> ion::gate::Permit {
    permit.clone()
}

fn main() {}
