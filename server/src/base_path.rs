//! The path under which the `public` port serves: the ingress's own path, because nothing rewrites it on the way.

use std::str::FromStr;

use thiserror::Error;

/// A checked prefix of paths: empty, or `/a/b` without a slash at its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BasePath(String);

/// Why a text is no base path.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "{0:?} is no base path: it must start with / and have only letters, digits and -._~/ without empty segments"
)]
pub struct BasePathError(String);

impl BasePath {
    /// A route under this path.
    pub(crate) fn join(&self, route: &str) -> String {
        format!("{}{route}", self.0)
    }

    /// What of a request's path comes after this one.
    pub(crate) fn strip<'a>(&self, path: &'a str) -> Option<&'a str> {
        path.strip_prefix(self.0.as_str())
    }
}

impl FromStr for BasePath {
    type Err = BasePathError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let path = text.strip_suffix('/').unwrap_or(text);
        let allowed = |character: char| character.is_ascii_alphanumeric() || "-._~/".contains(character);
        if text.starts_with('/') && path.chars().all(allowed) && !text.contains("//") {
            return Ok(Self(path.to_owned()));
        }
        Err(BasePathError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slash_at_the_end_makes_no_difference() {
        for (text, route) in [("/", "/prediction"), ("/a", "/a/prediction"), ("/a/b/", "/a/b/prediction")] {
            assert_eq!(text.parse::<BasePath>().unwrap().join("/prediction"), route);
        }
    }

    #[test]
    fn what_a_router_would_read_as_a_pattern_is_refused() {
        for text in ["", "a", "//", "/a//b", "/{a}", "/a*", "/a?b", "/a b", "/ä"] {
            assert!(text.parse::<BasePath>().is_err(), "{text:?}");
        }
    }
}
