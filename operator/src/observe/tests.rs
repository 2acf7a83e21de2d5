use std::collections::BTreeSet;

use super::*;

#[test]
fn passwords_have_160_bits_and_never_repeat() {
    let passwords: BTreeSet<String> = (0..100).map(|_| fresh_password().unwrap()).collect();
    assert_eq!(passwords.len(), 100);
    for password in &passwords {
        assert_eq!(password.len(), 32);
        assert!(password.chars().all(|c| c.is_ascii_lowercase() || ('2'..='7').contains(&c)), "{password}");
    }
    let letters: BTreeSet<char> = passwords.iter().flat_map(|password| password.chars()).collect();
    assert_eq!(letters.len(), 32, "every letter of the alphabet occurs in 3,200 draws");
}

#[test]
fn the_earlier_moment_counts() {
    let mut next = None;
    for seconds in [9, 3, 7] {
        sooner(&mut next, Duration::from_secs(seconds));
    }
    assert_eq!(next, Some(Duration::from_secs(3)));
}
