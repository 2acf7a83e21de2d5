//! The htpasswd format: one `user:hash` a line, `#` comments, blank lines. A user may have several lines, and any
//! of them lets in: that is how a password is rotated.
//!
//! Taken are bcrypt (`$2y$`, `$2b$`, `$2a$`), `{SHA}` and `$apr1$`. Whatever else (plain text, crypt) is refused line
//! by line. Neither hashes nor passwords appear in errors. The operator judges the same lines before we see them;
//! `htpasswd-lines.json` holds the two to one judgement.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bcrypt::HashParts;
use sha1::{Digest, Sha1};
use subtle::ConstantTimeEq;
use thiserror::Error;

use super::apr1;

/// bcrypt has no cost below 4.
const MIN_BCRYPT_COST: u32 = 4;
/// bcrypt of cost 14 takes about a second of one core; beyond that a single login would stall all others.
const MAX_BCRYPT_COST: u32 = 14;

/// At least one usable line.
#[derive(Debug)]
pub(super) struct Users {
    lines: Vec<Line>,
    /// Whether some line costs milliseconds.
    expensive: bool,
}

struct Line {
    user: Vec<u8>,
    hash: Hash,
}

enum Hash {
    Sha1([u8; 20]),
    Apr1 { salt: Vec<u8>, encoded: Vec<u8> },
    Bcrypt(String),
}

/// Why one line lets nobody in.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(super) enum LineError {
    #[error("it is not `user:hash`")]
    Form,
    #[error("its {0} hash is damaged")]
    Damaged(&'static str),
    #[error(
        "its bcrypt cost {0} is not one of {MIN_BCRYPT_COST} to {MAX_BCRYPT_COST}: make it with `htpasswd -B -C 8`"
    )]
    Cost(u32),
    #[error("its hash is neither bcrypt, {{SHA}} nor $apr1$: make it with `htpasswd -B`")]
    Unknown,
}

/// A line that was left out.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused {
    /// From 1.
    pub(super) line: usize,
    pub(super) error: LineError,
}

/// Why nobody can be let in.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(super) enum HtpasswdError {
    #[error("it has no line")]
    Empty,
    #[error("none of its lines can be used: line {line}: {error}")]
    NoneUsable { line: usize, error: LineError },
}

impl Users {
    /// The usable lines, and those left out.
    pub(super) fn parse(content: &[u8]) -> Result<(Self, Vec<Refused>), HtpasswdError> {
        let (mut lines, mut refused) = (Vec::new(), Vec::new());
        for (index, text) in content.split(|byte| *byte == b'\n').enumerate() {
            let text = text.trim_ascii();
            if text.is_empty() || text.starts_with(b"#") {
                continue;
            }
            match Line::parse(text) {
                Ok(line) => lines.push(line),
                Err(error) => refused.push(Refused { line: index + 1, error }),
            }
        }
        match (lines.is_empty(), refused.first()) {
            (false, _) => {
                let expensive = lines.iter().any(|line| !line.hash.is_cheap());
                Ok((Self { lines, expensive }, refused))
            }
            (true, None) => Err(HtpasswdError::Empty),
            (true, Some(first)) => {
                Err(HtpasswdError::NoneUsable { line: first.line, error: first.error.clone() })
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    /// The lines that cost microseconds: fit for every request.
    pub(super) fn cheap_check(&self, user: &[u8], password: &[u8]) -> bool {
        self.of(user).filter(|line| line.hash.is_cheap()).any(|line| line.hash.matches(password))
    }

    pub(super) fn has_expensive_lines(&self) -> bool {
        self.expensive
    }

    /// The lines that cost milliseconds. A user without such a line costs as much as one with, so that the time
    /// does not tell who exists.
    pub(super) fn expensive_check(&self, user: &[u8], password: &[u8]) -> bool {
        let mut own = self.of(user).filter(|line| !line.hash.is_cheap()).peekable();
        if own.peek().is_none() {
            let decoy = self.lines.iter().find(|line| !line.hash.is_cheap());
            decoy.map(|line| std::hint::black_box(line.hash.matches(password)));
            return false;
        }
        own.any(|line| line.hash.matches(password))
    }

    /// What is known of this name: the number of its first line that costs milliseconds.
    pub(super) fn place(&self, user: &[u8]) -> Option<usize> {
        let of_user = |line: &Line| !line.hash.is_cheap() && bool::from(line.user.ct_eq(user));
        self.lines.iter().position(of_user)
    }

    fn of(&self, user: &[u8]) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(move |line| line.user.ct_eq(user).into())
    }
}

impl Line {
    fn parse(text: &[u8]) -> Result<Self, LineError> {
        let colon = text.iter().position(|byte| *byte == b':').filter(|at| *at > 0).ok_or(LineError::Form)?;
        let hash = std::str::from_utf8(&text[colon + 1..]).map_err(|_| LineError::Unknown)?;
        Ok(Self { user: text[..colon].to_vec(), hash: Hash::parse(hash)? })
    }
}

impl std::fmt::Debug for Line {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Line")
    }
}

impl Hash {
    fn parse(text: &str) -> Result<Self, LineError> {
        if let Some(encoded) = text.strip_prefix("{SHA}") {
            let digest = BASE64_STANDARD.decode(encoded).map_err(|_| LineError::Damaged("{SHA}"))?;
            return digest.try_into().map(Self::Sha1).map_err(|_| LineError::Damaged("{SHA}"));
        }
        if let Some(rest) = text.strip_prefix("$apr1$") {
            let (salt, encoded) = rest.split_once('$').ok_or(LineError::Damaged("$apr1$"))?;
            if salt.len() > 8 || encoded.len() != 22 {
                return Err(LineError::Damaged("$apr1$"));
            }
            return Ok(Self::Apr1 { salt: salt.into(), encoded: encoded.into() });
        }
        if ["$2y$", "$2b$", "$2a$"].iter().any(|prefix| text.starts_with(prefix)) {
            let parts: HashParts = text.parse().map_err(|_| LineError::Damaged("bcrypt"))?;
            return match parts.get_cost() {
                MIN_BCRYPT_COST..=MAX_BCRYPT_COST => Ok(Self::Bcrypt(text.to_owned())),
                cost => Err(LineError::Cost(cost)),
            };
        }
        Err(LineError::Unknown)
    }

    const fn is_cheap(&self) -> bool {
        matches!(self, Self::Sha1(_))
    }

    /// In a time that does not depend on where a wrong password differs.
    fn matches(&self, password: &[u8]) -> bool {
        match self {
            Self::Sha1(digest) => Sha1::digest(password).as_slice().ct_eq(digest).into(),
            Self::Apr1 { salt, encoded } => apr1::encode(password, salt).as_slice().ct_eq(encoded).into(),
            Self::Bcrypt(text) => bcrypt::verify(password, text).unwrap_or(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lets_in(content: &str, user: &str, password: &str) -> bool {
        let (users, _) = Users::parse(content.as_bytes()).unwrap();
        let (user, password) = (user.as_bytes(), password.as_bytes());
        users.cheap_check(user, password) || users.expensive_check(user, password)
    }

    #[test]
    fn every_form_of_hash_lets_its_password_in_and_no_other() {
        // bcrypt and {SHA}: `htpasswd -nbB -C 4` and `htpasswd -nbs`; $apr1$: `openssl passwd -apr1`.
        let bcrypt = bcrypt::hash("secret", 4).unwrap();
        let forms = [
            "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=".to_owned(),
            "$apr1$kQ3xZ0aB$lvQLr9rxE47EXRbYXRymk.".to_owned(),
            bcrypt.replacen("$2b$", "$2y$", 1),
            bcrypt.replacen("$2b$", "$2a$", 1),
            bcrypt,
        ];
        for form in forms {
            let content = format!("ann:{form}\r\n");
            assert!(lets_in(&content, "ann", "secret"), "{form}");
            for (user, password) in
                [("ann", "Secret"), ("ann", ""), ("bob", "secret"), ("", "secret"), ("an", "secret")]
            {
                assert!(!lets_in(&content, user, password), "{form}: {user} {password}");
            }
        }
    }

    #[test]
    fn each_of_a_users_lines_lets_in() {
        let content =
            "ann:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n# old one\n\nann:{SHA}2jmj7l5rSw0yVb/vlWAYkK/YBwk=\n";
        assert!(lets_in(content, "ann", "secret"));
        assert!(lets_in(content, "ann", ""));
    }

    #[test]
    fn every_line_is_judged_as_the_operator_judges_it() {
        let lines: Vec<serde_json::Value> =
            serde_json::from_str(include_str!("htpasswd-lines.json")).unwrap();
        for line in &lines {
            let text = line["line"].as_str().unwrap();
            let error = Line::parse(text.as_bytes()).err().map(|error| error.to_string());
            assert_eq!(error.as_deref(), line["error"].as_str(), "{text}");
        }
        assert!(lines.len() > 20);
    }

    #[test]
    fn a_line_that_cannot_be_used_is_named_and_left_out() {
        let good = "ann:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=";
        let content = format!(
            "plain:secret\n{good}\nnothing\n:x\nb:{}\nc:$2y$10$x\nd:{{SHA}}x\n",
            bcrypt::hash("x", 4).unwrap().replacen("$04$", "$31$", 1)
        );
        let (users, refused) = Users::parse(content.as_bytes()).unwrap();
        assert_eq!(users.len(), 1);
        let refused: Vec<(usize, LineError)> =
            refused.into_iter().map(|refused| (refused.line, refused.error)).collect();
        let expected = [
            (1, LineError::Unknown),
            (3, LineError::Form),
            (4, LineError::Form),
            (5, LineError::Cost(31)),
            (6, LineError::Damaged("bcrypt")),
            (7, LineError::Damaged("{SHA}")),
        ];
        assert_eq!(refused, expected);
    }

    #[test]
    fn a_file_without_a_usable_line_is_an_error() {
        assert_eq!(Users::parse(b"").err(), Some(HtpasswdError::Empty));
        assert_eq!(Users::parse(b"# nobody\n\n").err(), Some(HtpasswdError::Empty));
        assert!(matches!(Users::parse(b"ann:secret"), Err(HtpasswdError::NoneUsable { line: 1, .. })));
        assert!(Users::parse(&[0xff, b':', 0xfe]).is_err());
    }

    #[test]
    fn no_error_repeats_what_the_line_held() {
        let error = Users::parse(b"ann:hunter2").unwrap_err().to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }
}
