//! `GET /docs`: Swagger UI on this server's own `/openapi.json`.
//!
//! Everything comes from this binary, so that it works offline and behind any path: links are relative, and the page may
//! load nothing from anywhere else. What Swagger UI is made of lies packed in `vendor/swagger-ui`.

use std::io::Read as _;
use std::sync::OnceLock;

use axum::body::Bytes;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use flate2::read::GzDecoder;
use http::StatusCode;
use http::header::{self, HeaderMap, HeaderValue};

use crate::problem::Problem;

/// The files under `/docs/`.
pub(crate) const FILES: [&str; 4] =
    ["swagger-ui-bundle.js", "swagger-ui.css", "start.js", "swagger-ui-bundle.js.LICENSE.txt"];

/// Nothing but what this server sends, and no page around it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const PAGE: File = File::plain("text/html; charset=utf-8", include_bytes!("page.html"));

/// One file, as it lies in the binary.
#[derive(Clone, Copy)]
struct File {
    content_type: &'static str,
    bytes: &'static [u8],
    /// Where it is unpacked, for all who cannot do that themselves; none for what is not packed.
    unpacked: Option<&'static OnceLock<Bytes>>,
}

/// The handler of the page.
pub(crate) async fn page(headers: HeaderMap) -> Response {
    PAGE.answer(&headers)
}

/// The handler of what the page loads.
pub(crate) async fn file(Path(name): Path<String>, headers: HeaderMap) -> Result<Response, Problem> {
    File::named(&name).map(|file| file.answer(&headers)).ok_or_else(Problem::not_found)
}

impl File {
    const fn plain(content_type: &'static str, bytes: &'static [u8]) -> Self {
        Self { content_type, bytes, unpacked: None }
    }

    const fn packed(
        content_type: &'static str,
        bytes: &'static [u8],
        unpacked: &'static OnceLock<Bytes>,
    ) -> Self {
        Self { content_type, bytes, unpacked: Some(unpacked) }
    }

    fn named(name: &str) -> Option<Self> {
        const SCRIPT: &str = "text/javascript; charset=utf-8";
        static BUNDLE: OnceLock<Bytes> = OnceLock::new();
        static STYLE: OnceLock<Bytes> = OnceLock::new();
        Some(match name {
            "swagger-ui-bundle.js" => Self::packed(
                SCRIPT,
                include_bytes!("../../vendor/swagger-ui/swagger-ui-bundle.js.gz"),
                &BUNDLE,
            ),
            "swagger-ui.css" => Self::packed(
                "text/css; charset=utf-8",
                include_bytes!("../../vendor/swagger-ui/swagger-ui.css.gz"),
                &STYLE,
            ),
            "start.js" => Self::plain(SCRIPT, include_bytes!("start.js")),
            "swagger-ui-bundle.js.LICENSE.txt" => Self::plain(
                "text/plain; charset=utf-8",
                include_bytes!("../../vendor/swagger-ui/swagger-ui-bundle.js.LICENSE.txt"),
            ),
            _ => return None,
        })
    }

    /// The file, packed for those that can unpack it; nothing when the client has it already.
    fn answer(self, headers: &HeaderMap) -> Response {
        let stay_packed = self.unpacked.is_some() && takes_gzip(headers);
        let tag = self.tag(stay_packed);
        let fixed = [
            (header::CONTENT_SECURITY_POLICY, POLICY),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::REFERRER_POLICY, "no-referrer"),
            // Asked for again each time, and answered with 304: another version of the server is seen at once.
            (header::CACHE_CONTROL, "private, no-cache"),
            (header::VARY, "accept-encoding"),
        ];
        let mut response = if headers.get(header::IF_NONE_MATCH).is_some_and(|given| matches(given, &tag)) {
            StatusCode::NOT_MODIFIED.into_response()
        } else if stay_packed {
            ([(header::CONTENT_ENCODING, "gzip")], Bytes::from_static(self.bytes)).into_response()
        } else {
            self.unpacked().into_response()
        };
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        headers.insert(header::ETAG, tag);
        for (name, value) in fixed {
            headers.insert(name, HeaderValue::from_static(value));
        }
        response
    }

    /// Unpacked once and then shared: so many answers take no more memory than one.
    fn unpacked(self) -> Bytes {
        let Some(unpacked) = self.unpacked else { return Bytes::from_static(self.bytes) };
        let unpack = || {
            let mut bytes = Vec::new();
            // A test unpacks every file: what is in the binary is whole.
            let _ = GzDecoder::new(self.bytes).read_to_end(&mut bytes);
            bytes.shrink_to_fit();
            bytes.into()
        };
        unpacked.get_or_init(unpack).clone()
    }

    /// Length and checksum of what lies here, and whether it is sent so.
    fn tag(self, packed: bool) -> HeaderValue {
        let mut sum = flate2::Crc::new();
        sum.update(self.bytes);
        let form = if packed { "-gzip" } else { "" };
        let tag = format!("\"{:x}-{:08x}{form}\"", self.bytes.len(), sum.sum());
        HeaderValue::from_str(&tag).unwrap_or(HeaderValue::from_static("\"\""))
    }
}

/// Whether one of the tags of `If-None-Match` is this one.
fn matches(given: &HeaderValue, tag: &HeaderValue) -> bool {
    let given = String::from_utf8_lossy(given.as_bytes());
    given.split(',').map(|one| one.trim().trim_start_matches("W/")).any(|one| one == "*" || tag == one)
}

fn takes_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let ranges = values.flat_map(|value| value.split(',')).map(|range| {
        let (name, parameter) = range.split_once(';').unwrap_or((range, ""));
        let refused = parameter.trim().strip_prefix("q=").is_some_and(|q| q.parse() == Ok(0.0));
        (name.trim(), !refused)
    });
    let (mut gzip, mut any) = (None, None);
    for (name, taken) in ranges {
        if name.eq_ignore_ascii_case("gzip") {
            gzip = Some(taken);
        } else if name == "*" {
            any = Some(taken);
        }
    }
    // (what is named counts more than a star)
    gzip.or(any).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_unpacks_whole() {
        for name in FILES {
            let file = File::named(name).unwrap();
            let mut bytes = Vec::new();
            if file.unpacked.is_some() {
                GzDecoder::new(file.bytes).read_to_end(&mut bytes).unwrap();
                assert!(bytes.len() > 2 * file.bytes.len(), "{name}");
            }
            assert!(!file.unpacked().is_empty());
        }
    }

    #[test]
    fn a_file_is_unpacked_once_for_all_requests() {
        for name in FILES {
            let unpacked = || File::named(name).unwrap().unpacked();
            let (first, second) = (unpacked(), unpacked());
            assert_eq!(first.as_ptr(), second.as_ptr(), "{name}");
        }
    }

    #[test]
    fn gzip_is_sent_to_those_that_take_it() {
        let takes = |value: &'static str| {
            let value = HeaderValue::from_static(value);
            takes_gzip(&HeaderMap::from_iter([(header::ACCEPT_ENCODING, value)]))
        };
        for value in ["gzip", "br, GZIP;q=0.5", "*", "deflate, gzip, br, zstd", "*;q=0, gzip"] {
            assert!(takes(value), "{value}");
        }
        for value in ["", "br", "gzip;q=0", "identity", "gzip; q=0.0", "gzip;q=0, *", "*, gzip;q=0"] {
            assert!(!takes(value), "{value}");
        }
        assert!(!takes_gzip(&HeaderMap::new()));
    }
}
