//! The name that was probably meant. For messages only: a column is never chosen by likeness.

/// The name nearest to `wanted`, if one is near enough to be a slip of the pen.
pub(super) fn closest<'a>(wanted: &str, names: &[&'a str]) -> Option<&'a str> {
    // Two letters that changed places are two edits, and names are short: half of the characters may differ.
    let slips = (wanted.chars().count() / 2).max(1);
    names
        .iter()
        .map(|name| (edits(&wanted.to_lowercase(), &name.to_lowercase()), *name))
        .filter(|(distance, name)| *distance <= slips && !name.is_empty())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Levenshtein distance in characters, with one row of memory.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_suggested_whatever_its_case() {
        assert_eq!(closest("mena", &["timestamp", "mean", "sd"]), Some("mean"));
        assert_eq!(closest("SD", &["timestamp", "mean", "sd"]), Some("sd"));
        assert_eq!(closest("temprature", &["pressure", "temperature"]), Some("temperature"));
    }

    #[test]
    fn a_name_that_resembles_nothing_gets_no_suggestion() {
        assert_eq!(closest("humidity", &["timestamp", "mean", "sd"]), None);
        assert_eq!(closest("x", &[""]), None);
    }

    #[test]
    fn distances_are_those_of_levenshtein() {
        for (a, b, distance) in
            [("kitten", "sitting", 3), ("", "abc", 3), ("abc", "", 3), ("gleich", "gleich", 0)]
        {
            assert_eq!(edits(a, b), distance, "{a} → {b}");
        }
    }
}
