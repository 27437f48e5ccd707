//! Keeps the beginning and the end of an endless output in bounded memory.

use std::collections::VecDeque;

/// Head and tail of a stream, and how much passed between them.
pub struct Capture {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    half: usize,
    seen: u64,
}

impl Capture {
    /// Keeps at most `cap` bytes.
    pub fn new(cap: usize) -> Self {
        Capture { head: Vec::new(), tail: VecDeque::new(), half: (cap / 2).max(1), seen: 0 }
    }

    /// Takes a piece.
    pub fn push(&mut self, piece: &[u8]) {
        self.seen += piece.len() as u64;
        let room = self.half.saturating_sub(self.head.len()).min(piece.len());
        let (first, rest) = piece.split_at(room);
        self.head.extend_from_slice(first);
        let last = rest.get(rest.len().saturating_sub(self.half)..).unwrap_or_default();
        self.tail.extend(last);
        let over = self.tail.len().saturating_sub(self.half);
        self.tail.drain(..over);
    }

    /// Bytes that were kept.
    pub fn kept(&self) -> usize {
        self.head.len() + self.tail.len()
    }

    /// Lowers the cap and drops from the middle what is over it.
    pub fn shrink(&mut self, cap: usize) {
        let half = (cap / 2).max(1);
        if self.kept() <= cap || half >= self.half {
            return;
        }
        self.half = half;
        if self.tail.len() < half {
            // The head reaches into what is now the tail's part.
            let cut = self.head.len().saturating_sub(half - self.tail.len()).max(half);
            let moved = self.head.split_off(cut.min(self.head.len()));
            for byte in moved.into_iter().rev() {
                self.tail.push_front(byte);
            }
        }
        self.head.truncate(half);
        let over = self.tail.len().saturating_sub(half);
        self.tail.drain(..over);
    }

    /// Bytes that were dropped.
    pub fn omitted(&self) -> u64 {
        self.seen.saturating_sub(self.kept() as u64)
    }

    /// The text, with a line in the gap that says how much is missing.
    pub fn text(mut self) -> String {
        let omitted = self.omitted();
        if omitted == 0 {
            // In one piece: a character may span the two halves.
            self.head.extend(self.tail);
            return String::from_utf8_lossy(&self.head).into_owned();
        }
        let mut text = String::from_utf8_lossy(&self.head).into_owned();
        text.push_str(&format!("\n... [{omitted} bytes omitted] ...\n"));
        text.push_str(&String::from_utf8_lossy(self.tail.make_contiguous()));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_middle_is_dropped_and_counted() {
        let mut capture = Capture::new(8);
        for piece in ["abc", "defghij", "klm"] {
            capture.push(piece.as_bytes());
        }
        assert_eq!(capture.omitted(), 5);
        assert_eq!(capture.text(), "abcd\n... [5 bytes omitted] ...\njklm");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn any_split_keeps_head_and_tail_within_the_cap(
            data in proptest::collection::vec(any::<u8>(), 0..200),
            piece in 1usize..50, cap in 2usize..120, less in 2usize..120,
        ) {
            let mut capture = Capture::new(cap);
            data.chunks(piece).for_each(|chunk| capture.push(chunk));
            prop_assert!(capture.kept() <= cap);
            capture.shrink(less);
            prop_assert!(capture.kept() <= cap.min(less).max(2));
            prop_assert_eq!(capture.omitted() as usize + capture.kept(), data.len());
            let kept: Vec<u8> = capture.head.iter().chain(&capture.tail).copied().collect();
            prop_assert!(data.starts_with(&capture.head));
            prop_assert!(data.ends_with(&kept[capture.head.len()..]));
        }
    }
}
