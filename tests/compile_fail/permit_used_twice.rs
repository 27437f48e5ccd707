// error: E0382
fn twice(permit: ion::gate::Permit) {
    let _ = permit.redeem();
    let _ = permit.redeem();
}

fn main() {}
