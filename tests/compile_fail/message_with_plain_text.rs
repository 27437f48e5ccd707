// error: E0308
fn sent(text: String) -> ion::conversation::Block {
    ion::conversation::Block::Text { text }
}

fn main() {}
