// SPDX-License-Identifier: Apache-2.0
//! Counts and sorts words, for ever.
use std::collections::HashMap;

fn count(text: &[String]) -> HashMap<&str, usize> {
    let mut counts = HashMap::new();
    for word in text {
        *counts.entry(word.as_str()).or_insert(0) += 1;
    }
    counts
}

#[inline(never)]
fn most_common(text: &[String]) -> usize {
    let counts = count(text);
    let mut list: Vec<_> = counts.into_iter().collect();
    list.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
    list[0].1
}

fn main() {
    let mut seed: u32 = 1;
    let mut total = 0usize;
    loop {
        let text: Vec<String> = (0..5000)
            .map(|i| {
                seed = seed.wrapping_mul(2654435761).wrapping_add(i);
                format!("word{}", seed >> 22)
            })
            .collect();
        total = total.wrapping_add(most_common(&text));
        if total == 1 {
            return;
        }
    }
}
