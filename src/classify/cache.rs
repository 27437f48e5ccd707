//! Earlier answers to the same question, bounded in number and age. Errors are never kept.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Most answers kept.
const MAX_ENTRIES: usize = 512;
/// How long an answer is good.
const LIFETIME: Duration = Duration::from_secs(30 * 60);

/// Answers by key. The key covers everything that the answer depends on.
#[derive(Debug)]
pub struct Cache<V> {
    entries: HashMap<String, (Instant, V)>,
}

impl<V: Clone> Cache<V> {
    /// An empty one.
    pub fn new() -> Self {
        Cache { entries: HashMap::new() }
    }

    /// The answer kept under `key`, unless it is too old at `now`.
    pub fn get(&self, key: &str, now: Instant) -> Option<V> {
        let (kept, value) = self.entries.get(key)?;
        (now.saturating_duration_since(*kept) < LIFETIME).then(|| value.clone())
    }

    /// Keeps an answer; the oldest one goes when there are too many.
    pub fn put(&mut self, key: String, value: V, now: Instant) {
        if self.entries.len() >= MAX_ENTRIES && !self.entries.contains_key(&key) {
            self.entries.retain(|_, (kept, _)| now.saturating_duration_since(*kept) < LIFETIME);
            if self.entries.len() >= MAX_ENTRIES {
                let oldest = self.entries.iter().min_by_key(|(_, (kept, _))| *kept);
                if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                    self.entries.remove(&oldest);
                }
            }
        }
        self.entries.insert(key, (now, value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_age_and_the_oldest_makes_room() {
        let mut cache = Cache::new();
        let start = Instant::now();
        for n in 0..=MAX_ENTRIES {
            cache.put(n.to_string(), n, start + Duration::from_millis(n as u64));
        }
        assert_eq!(cache.entries.len(), MAX_ENTRIES);
        assert_eq!(cache.get("0", start), None);
        assert_eq!(cache.get("1", start), Some(1));
        assert_eq!(cache.get("1", start + LIFETIME + Duration::from_secs(1)), None);
    }
}
