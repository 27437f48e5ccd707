// error: E0308
fn said(text: String) -> ion::event::Event {
    ion::event::Event::TextChunk { text }
}

fn main() {}
