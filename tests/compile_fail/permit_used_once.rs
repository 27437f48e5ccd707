// compiles
fn once(permit: ion::gate::Permit) {
    let _ = permit.redeem();
}

fn main() {}
