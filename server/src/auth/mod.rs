//! Basic authentication on the port `public`, enforced here whatever the ingress in front does.
//!
//! It fails closed: without a readable file with at least one usable line nobody is let in. Guessing is bounded by
//! work, never by address, because all traffic comes from the ingress: expensive hashes are checked two at a time
//! behind short queues ([`checks`]), and headers that were right lately ([`cache`]) do not queue at all.
//! Credentials never reach a log or an answer.

mod apr1;
mod cache;
mod checks;
mod htpasswd;
mod reload;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::header::{AUTHORIZATION, HeaderMap, HeaderValue};

use self::cache::{Cache, Digest, KEPT, Seen};
use self::checks::{Busy, Checks, Lane};
use self::htpasswd::Users;
use crate::problem::Problem;

pub(crate) use self::reload::{read_once, watch};

/// Decides who is let in.
#[derive(Debug)]
pub(crate) struct Gate {
    challenge: HeaderValue,
    table: ArcSwap<Table>,
    checks: Checks,
}

/// One content of the password file, with the headers verified against it: with a new content each is checked again.
#[derive(Debug)]
struct Table {
    users: Result<Arc<Users>, String>,
    verified: Cache,
}

impl Gate {
    /// Lets nobody in until users are given. The realm is what a browser shows.
    pub(crate) fn new(realm: &str) -> Self {
        Self::keeping(realm, KEPT)
    }

    /// With another time for which a header that was right is not checked again.
    pub(crate) fn keeping(realm: &str, kept: Duration) -> Self {
        let realm: String = realm.chars().filter(|c| c.is_ascii_graphic() && !"\"\\".contains(*c)).collect();
        let challenge = format!("Basic realm=\"{realm}\", charset=\"UTF-8\"");
        let unread = Table {
            users: Err("the password file has not been read".to_owned()),
            verified: Cache::new(kept),
        };
        Self {
            challenge: HeaderValue::from_str(&challenge)
                .unwrap_or(HeaderValue::from_static("Basic realm=\"model\"")),
            table: ArcSwap::from_pointee(unread),
            checks: Checks::default(),
        }
    }

    /// From now on these users, or nobody and why.
    fn replace(&self, users: Result<Users, String>) {
        let verified = self.table.load().verified.after();
        self.table.store(Arc::new(Table { users: users.map(Arc::new), verified }));
    }

    /// Whether anybody can be let in.
    pub(crate) fn ready(&self) -> Result<(), String> {
        self.table.load().users.as_ref().map(|_| ()).map_err(Clone::clone)
    }

    /// Lets a request in, or says with which answer not.
    pub(crate) async fn admit(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let table = self.table.load_full();
        let users = table.users.as_ref().map_err(|reason| Problem::locked(reason.clone()))?;
        let header = only_authorization(headers).ok_or_else(|| Problem::without_password(&self.challenge))?;
        // Cheap lines need no cache: then neither its digest nor its lock is on the way.
        let digest = users.has_expensive_lines().then(|| table.verified.digest(header.as_bytes()));
        let seen = digest.map_or(Seen::Never, |digest| table.verified.seen(&digest));
        if seen == Seen::Lately {
            return Ok(());
        }
        let credentials =
            Credentials::parse(header).ok_or_else(|| Problem::without_password(&self.challenge))?;
        if users.cheap_check(&credentials.user, &credentials.password) {
            return Ok(());
        }
        let Some(digest) = digest else { return Err(self.refused()) };
        let lane = match (seen, users.place(&credentials.user)) {
            (Seen::Once, _) => Lane::Proven,
            (_, Some(place)) => Lane::Known(place),
            (_, None) => Lane::Unknown,
        };
        // (on the heap: the futures of the many requests that need none stay small)
        match Box::pin(self.expensive_check(&table, users, digest, lane, credentials)).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(self.refused()),
            Err(Busy) => Err(Problem::too_many_checks()),
        }
    }

    async fn expensive_check(
        &self,
        table: &Table,
        users: &Arc<Users>,
        digest: Digest,
        lane: Lane,
        credentials: Credentials,
    ) -> Result<bool, Busy> {
        let users = Arc::clone(users);
        let check = move || users.expensive_check(&credentials.user, &credentials.password);
        let good = table.verified.once(digest, || self.checks.run(lane, check)).await?;
        if good {
            table.verified.insert(digest);
        } else {
            table.verified.forget(&digest);
        }
        Ok(good)
    }

    fn refused(&self) -> Problem {
        Problem::wrong_password(&self.challenge)
    }
}

/// The header, if it is there exactly once.
fn only_authorization(headers: &HeaderMap) -> Option<&HeaderValue> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    values.next().filter(|_| values.next().is_none())
}

/// A user and a password. Not `Debug`, so that it cannot be logged.
struct Credentials {
    user: Vec<u8>,
    password: Vec<u8>,
}

impl Credentials {
    /// `Basic <base64 of user:password>`; the scheme in any case, the password may have colons.
    fn parse(header: &HeaderValue) -> Option<Self> {
        let (scheme, encoded) = header.to_str().ok()?.trim().split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let mut user = BASE64_STANDARD.decode(encoded.trim()).ok()?;
        let colon = user.iter().position(|byte| *byte == b':')?;
        let password = user.split_off(colon + 1);
        user.truncate(colon);
        Some(Self { user, password })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(header: &str) -> Option<(String, String)> {
        let credentials = Credentials::parse(&HeaderValue::from_str(header).unwrap())?;
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Some((text(credentials.user), text(credentials.password)))
    }

    #[test]
    fn a_password_may_have_colons_and_be_empty() {
        let encode = |text: &str| format!("bAsIc {}", BASE64_STANDARD.encode(text));
        assert_eq!(parsed(&encode("ann:a:b")), Some(("ann".to_owned(), "a:b".to_owned())));
        assert_eq!(parsed(&encode("ann:")), Some(("ann".to_owned(), String::new())));
        assert_eq!(parsed(&encode("ann")), None);
    }

    #[test]
    fn other_schemes_and_garbage_are_no_credentials() {
        for header in ["Bearer abc", "Basic", "Basic ???", "Basic  ", ""] {
            assert_eq!(parsed(header), None, "{header:?}");
        }
    }
}
