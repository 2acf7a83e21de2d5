//! Apache's MD5-based password hash `$apr1$`, the default of `htpasswd` and of `openssl passwd -apr1`.
//!
//! Poul-Henning Kamp's md5crypt with another magic; a thousand rounds, weak by today's measure, but what many
//! existing Secrets hold. Only for checking; nothing here makes such a hash.

use md5::{Digest, Md5};

const MAGIC: &[u8] = b"$apr1$";
const ALPHABET: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The 22 characters after the salt.
pub(super) fn encode(password: &[u8], salt: &[u8]) -> [u8; 22] {
    let mut digest = first(password, salt);
    for round in 0..1_000_u32 {
        let mut hash = Md5::new();
        let (head, tail): (&[u8], &[u8]) =
            if round % 2 == 1 { (password, &digest) } else { (&digest, password) };
        hash.update(head);
        if round % 3 != 0 {
            hash.update(salt);
        }
        if round % 7 != 0 {
            hash.update(password);
        }
        hash.update(tail);
        digest = hash.finalize().into();
    }
    to_text(&digest)
}

/// The digest before the rounds.
fn first(password: &[u8], salt: &[u8]) -> [u8; 16] {
    let inner: [u8; 16] =
        Md5::new().chain_update(password).chain_update(salt).chain_update(password).finalize().into();
    let mut hash = Md5::new().chain_update(password).chain_update(MAGIC).chain_update(salt);
    for chunk in password.chunks(16) {
        hash.update(&inner[..chunk.len()]);
    }
    let mut length = password.len();
    while length > 0 {
        hash.update(if length % 2 == 1 { &[0][..] } else { &password[..1] });
        length /= 2;
    }
    hash.finalize().into()
}

/// The digest's bytes in md5crypt's own order, six bits a character, lowest first.
fn to_text(digest: &[u8; 16]) -> [u8; 22] {
    const ORDER: [[usize; 3]; 5] = [[0, 6, 12], [1, 7, 13], [2, 8, 14], [3, 9, 15], [4, 10, 5]];
    let mut text = [0; 22];
    let (groups, rest) = text.split_at_mut(20);
    for (group, [a, b, c]) in groups.chunks_mut(4).zip(ORDER) {
        let bits = u32::from(digest[a]) << 16 | u32::from(digest[b]) << 8 | u32::from(digest[c]);
        put(group, bits);
    }
    put(rest, u32::from(digest[11]));
    text
}

fn put(text: &mut [u8], mut bits: u32) {
    for character in text {
        *character = ALPHABET[(bits & 63) as usize];
        bits >>= 6;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_openssl() {
        // openssl passwd -apr1 -salt <salt> <password>
        for (password, salt, expected) in VECTORS {
            assert_eq!(String::from_utf8_lossy(&encode(password.as_bytes(), salt.as_bytes())), expected);
        }
    }

    const VECTORS: [(&str, &str, &str); 4] = [
        ("", "saltsalt", "a8ml/vK5HEjiZ5oypDWA7/"),
        ("x", "ab", "eIePjsejfBGR8ITtu2z0U1"),
        ("correct horse battery staple", "r31.....", "RSm0VOy2/jdarTt.BqnSF0"),
        ("pässwörd", "HqJZimcK", "1CJ6wIMNZJirj8wZhMgY6/"),
    ];
}
