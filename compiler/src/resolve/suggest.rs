//! Which known name somebody may have meant.

/// The candidate nearest to `name`, if it is near enough to be a slip of the fingers.
pub(crate) fn nearest<'n>(name: &str, candidates: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let allowed = match name.chars().count() {
        0..=3 => 1,
        4..=7 => 2,
        _ => 3,
    };
    candidates
        .filter(|candidate| *candidate != name && !candidate.starts_with('%'))
        .filter_map(|candidate| {
            // A name in another case of letters is nearer than any other.
            let distance = if candidate.eq_ignore_ascii_case(name) { 0 } else { distance_within(name, candidate, allowed)? };
            Some((distance, candidate))
        })
        // Short names are near to everything: at least one letter must stay.
        .filter(|(distance, candidate)| *distance < candidate.chars().count().max(name.chars().count()))
        .min_by(|(a, x), (b, y)| a.cmp(b).then_with(|| x.cmp(y)))
        .map(|(_, candidate)| candidate)
}

/// Edits (insert, delete, replace, swap of neighbours) from `a` to `b`, where they are at most `limit`.
fn distance_within(a: &str, b: &str, limit: usize) -> Option<usize> {
    // No character has more than four bytes, and most have one.
    if a.is_ascii() && b.is_ascii() && a.len().abs_diff(b.len()) > limit {
        return None;
    }
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    if a.len().abs_diff(b.len()) > limit {
        return None;
    }
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let change = usize::from(a[i - 1] != b[j - 1]);
            row[j] = (last[j] + 1).min(row[j - 1] + 1).min(last[j - 1] + change);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before_last[j - 2] + 1);
            }
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last.last().copied().filter(|distance| *distance <= limit)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    fn meant(name: &str, candidates: &[&'static str]) -> Option<&'static str> {
        nearest(name, candidates.iter().copied())
    }

    #[test]
    fn slips_are_recognised() {
        assert_eq!(meant("reveiwer", &["reviewer", "coder"]), Some("reviewer"));
        assert_eq!(meant("cout", &["count", "print"]), Some("count"));
        assert_eq!(meant("coder", &["Coder"]), Some("Coder"));
    }

    #[test]
    fn other_words_are_not_suggested() {
        assert_eq!(meant("banana", &["reviewer", "coder"]), None);
        assert_eq!(meant("x", &["y"]), None);
        assert_eq!(meant("len", &["min"]), None);
    }
}
