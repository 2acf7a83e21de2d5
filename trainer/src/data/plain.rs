//! Numbers as most files have them, `-12.5`, read at a glance: exactly the double that the standard library reads.
//!
//! Digits that make a whole number up to 2⁵³, divided by a power of ten up to 10²², are rounded once and so correctly
//! (W. D. Clinger: *How to read floating point numbers accurately*, PLDI 1990). All else is left to others.

/// The most digits that cannot overflow.
const MOST_DIGITS: usize = 18;
const LARGEST_EXACT: u64 = 1 << 53;
const POWERS: [f64; MOST_DIGITS + 1] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18];

/// Powers of ten by how many digits of eight there are.
const TENS: [u64; 9] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];

/// The number that a text begins with and the length of its digits; none where they are not plain.
#[inline]
pub(super) fn number(text: &[u8]) -> Option<(f64, usize)> {
    let negative = text.first() == Some(&b'-');
    let begin = usize::from(negative);
    let (mut at, whole) = digits(text, begin, 0);
    let mut count = at - begin;
    let (mut whole, mut fraction) = (whole, 0);
    if text.get(at) == Some(&b'.') {
        at += 1;
        let (end, all) = digits(text, at, whole);
        (fraction, whole) = (end - at, all);
        count += fraction;
        at = end;
    }
    if count == 0 || count > MOST_DIGITS || whole > LARGEST_EXACT {
        return None;
    }
    let magnitude = whole as f64 / POWERS[fraction];
    // The sign is a bit: whether there is one cannot be guessed.
    Some((f64::from_bits(magnitude.to_bits() | u64::from(negative) << 63), at))
}

/// Reads on from a place: where the digits end, and `whole` with them appended. Of more than 18 digits the number is none.
#[inline]
fn digits(text: &[u8], mut at: usize, mut whole: u64) -> (usize, u64) {
    while let Some(&eight) = text.get(at..).and_then(<[u8]>::first_chunk) {
        let (value, count) = eight_digits(eight);
        whole = whole.wrapping_mul(TENS[count]).wrapping_add(value);
        at += count;
        if count < 8 {
            return (at, whole);
        }
    }
    while let Some(digit @ b'0'..=b'9') = text.get(at) {
        whole = whole.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
        at += 1;
    }
    (at, whole)
}

/// The number that the digits at the beginning of eight bytes make, and how many there are: all at once, without a branch.
#[inline]
fn eight_digits(bytes: [u8; 8]) -> (u64, usize) {
    // Digits become 0 to 9; 0x76 more and their highest bits stay clear, those of all else are set. (What is carried from one
    // byte to the next is carried beyond the first that is no digit.)
    let values = u64::from_le_bytes(bytes) ^ 0x3030_3030_3030_3030;
    let others = (values.wrapping_add(0x7676_7676_7676_7676) | values) & 0x8080_8080_8080_8080;
    let count = others.trailing_zeros() / 8;
    // Zeros before the digits in the place of what follows them; then pairs, fours and eights of digits become one.
    let ones = values.checked_shl(64 - 8 * count).unwrap_or_default();
    let pairs = ones.wrapping_mul(10).wrapping_add(ones >> 8);
    let (even, odd) = (pairs & 0x0000_00ff_0000_00ff, (pairs >> 16) & 0x0000_00ff_0000_00ff);
    let eight = even.wrapping_mul(100 + (1_000_000 << 32)).wrapping_add(odd.wrapping_mul(1 + (10_000 << 32)));
    (eight >> 32, count as usize)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn whole(text: &str) -> Option<u64> {
        number(text.as_bytes()).filter(|(_, length)| *length == text.len()).map(|(value, _)| value.to_bits())
    }

    #[test]
    fn what_is_not_plain_is_left_to_others() {
        for text in [
            "",
            "-",
            ".",
            "-.",
            "+1",
            "1e5",
            "nan",
            "inf",
            " 1",
            "1 ",
            "9007199254740993",
            "1234567890123456789",
        ] {
            assert_eq!(whole(text), None, "{text}");
        }
        assert_eq!(number(b"12,5"), Some((12.0, 2)));
    }

    #[test]
    fn eight_bytes_are_read_up_to_what_is_no_digit() {
        for other in 0..=u8::MAX {
            for place in 0..8 {
                let mut bytes = *b"98765432";
                bytes[place] = other;
                let text: String = bytes
                    .iter()
                    .take_while(|byte| byte.is_ascii_digit())
                    .map(|&byte| char::from(byte))
                    .collect();
                assert_eq!(eight_digits(bytes), (text.parse().unwrap_or(0), text.len()), "{bytes:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn what_follows_a_number_does_not_change_it(text in "-?[0-9]{0,12}\\.?[0-9]{0,12}", after in "[,\"x. -]?[0-9,.\u{7f}-\u{ff}]{0,9}") {
            if let Some((value, length)) = number(text.as_bytes()).filter(|(_, length)| *length == text.len()) {
                let longer = text.clone() + "," + &after;
                prop_assert_eq!(number(longer.as_bytes()).map(|(value, length)| (value.to_bits(), length)), Some((value.to_bits(), length)));
            }
        }

        #[test]
        fn plain_numbers_are_read_as_the_standard_library_reads_them(text in "-?[0-9]{0,19}\\.?[0-9]{0,19}") {
            if let Some(bits) = whole(&text) {
                prop_assert_eq!(Ok(bits), text.parse::<f64>().map(f64::to_bits));
            }
        }

        #[test]
        fn written_numbers_are_read_back(value in -1e6_f64..1e6, places in 0_usize..9) {
            let text = format!("{value:.places$}");
            prop_assert_eq!(whole(&text), Some(text.parse::<f64>().unwrap().to_bits()));
        }
    }
}
