// error: E0277
fn revived(text: &str) -> ion::gate::Permit {
    serde_json::from_str(text).unwrap()
}

fn main() {}
