//! What the server will make of a password file, told by the operator before the server reads it. Pure.
//!
//! The server has a check of its own (`server/src/auth/htpasswd.rs`), because it shares no crate with the operator that
//! knows of HTTP; `server/src/auth/htpasswd-lines.json` holds the two to the same judgement, word by word.
//! Messages name lines by their number, never what stands there.

use base64::Engine as _;
use base64::alphabet::BCRYPT;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::{NO_PAD, STANDARD};
use thiserror::Error;

/// Costs that the server takes; the highest takes a second of one core.
const BCRYPT_COSTS: std::ops::RangeInclusive<u32> = 4..=14;
/// Above this cost bcrypt takes more of an ingress controller than people's passwords need.
const CHEAP_COST: u32 = 8;
/// bcrypt of cost 10 takes so long; each further 1 doubles it.
const MILLISECONDS_OF_10: u32 = 70;
/// So many lines are named.
const LINES_TOLD: usize = 3;

/// In what is told of bcrypt of a high cost, and nowhere else.
pub const EXPENSIVE: &str = "of the ingress controller's CPU with each request";

/// A password file that lets somebody in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    /// Lines that let nobody in, by their number from 1, and why.
    left_out: Vec<(usize, LineError)>,
    /// The highest bcrypt cost, and the first line that has it.
    costliest: Option<(u32, usize)>,
    /// The first line for which Traefik refuses all.
    unfit_for_traefik: Option<usize>,
}

/// Why one line lets nobody in.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
enum LineError {
    #[error("it is not `user:hash`")]
    Form,
    #[error("its {0} hash is damaged")]
    Damaged(&'static str),
    #[error("its bcrypt cost {0} is not one of {min} to {max}: make it with `htpasswd -B -C 8`",
        min = BCRYPT_COSTS.start(), max = BCRYPT_COSTS.end())]
    Cost(u32),
    #[error("its hash is neither bcrypt, {{SHA}} nor $apr1$: make it with `htpasswd -B`")]
    Unknown,
}

impl Lines {
    /// Checks each line; an error if none lets anybody in.
    pub fn check(content: &[u8]) -> Result<Self, String> {
        let (mut lines, mut usable) = (Self::default(), false);
        for (index, text) in content.split(|byte| *byte == b'\n').enumerate() {
            let number = index + 1;
            if lines.unfit_for_traefik.is_none() && !fits_traefik(text) {
                lines.unfit_for_traefik = Some(number);
            }
            let text = text.trim_ascii();
            if text.is_empty() || text.starts_with(b"#") {
                continue;
            }
            match check_line(text) {
                Ok(cost) => {
                    usable = true;
                    lines.note_cost(cost, number);
                }
                Err(error) => lines.left_out.push((number, error)),
            }
        }
        match lines.left_out() {
            _ if usable => Ok(lines),
            Some(left_out) => Err(format!("no line lets anybody in: {left_out}")),
            None => Err("expected at least one line user:hash".into()),
        }
    }

    fn note_cost(&mut self, cost: Option<u32>, line: usize) {
        if let Some(cost) = cost
            && self.costliest.is_none_or(|(most, _)| cost > most)
        {
            self.costliest = Some((cost, line));
        }
    }

    /// The lines that let nobody in, and why; the first of many.
    pub fn left_out(&self) -> Option<String> {
        let told: Vec<String> = self
            .left_out
            .iter()
            .take(LINES_TOLD)
            .map(|(line, error)| format!("line {line} is left out: {error}"))
            .collect();
        let more = match self.left_out.len().saturating_sub(LINES_TOLD) {
            0 => String::new(),
            more => format!("; and {more} more lines"),
        };
        (!told.is_empty()).then(|| told.join("; ") + &more)
    }

    /// What a password takes of an ingress controller that checks it with every request, if that is much.
    pub fn expensive(&self) -> Option<String> {
        let (cost, line) = self.costliest.filter(|(cost, _)| *cost > CHEAP_COST)?;
        let milliseconds = (MILLISECONDS_OF_10 << cost) >> 10;
        Some(format!(
            "bcrypt of cost {cost} in line {line} takes some {milliseconds} ms {EXPENSIVE}: make it with \
             `htpasswd -B -C {CHEAP_COST}`"
        ))
    }

    /// The first line for which Traefik refuses the whole Secret, and with it the route.
    pub fn unfit_for_traefik(&self) -> Option<usize> {
        self.unfit_for_traefik
    }
}

/// Traefik skips empty lines and no others; one without exactly one colon, be it a comment, it takes for an error in all.
fn fits_traefik(line: &[u8]) -> bool {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    line.is_empty() || line.iter().filter(|byte| **byte == b':').count() == 1
}

/// The bcrypt cost of a line that lets somebody in, if it is bcrypt.
fn check_line(text: &[u8]) -> Result<Option<u32>, LineError> {
    let colon = text.iter().position(|byte| *byte == b':').filter(|at| *at > 0).ok_or(LineError::Form)?;
    let hash = std::str::from_utf8(&text[colon + 1..]).map_err(|_| LineError::Unknown)?;
    if let Some(encoded) = hash.strip_prefix("{SHA}") {
        let digest = STANDARD.decode(encoded).ok().filter(|digest| digest.len() == 20);
        return digest.map(|_| None).ok_or(LineError::Damaged("{SHA}"));
    }
    if let Some(rest) = hash.strip_prefix("$apr1$") {
        let parts = rest.split_once('$').filter(|(salt, encoded)| salt.len() <= 8 && encoded.len() == 22);
        return parts.map(|_| None).ok_or(LineError::Damaged("$apr1$"));
    }
    if !["$2y$", "$2b$", "$2a$"].iter().any(|prefix| hash.starts_with(prefix)) {
        return Err(LineError::Unknown);
    }
    match bcrypt_cost(hash).ok_or(LineError::Damaged("bcrypt"))? {
        cost if BCRYPT_COSTS.contains(&cost) => Ok(Some(cost)),
        cost => Err(LineError::Cost(cost)),
    }
}

/// The cost of a whole bcrypt hash: two digits, a salt of 16 bytes and a hash of 23.
fn bcrypt_cost(hash: &str) -> Option<u32> {
    let whole = hash.len() == 60 && hash.is_ascii() && hash.as_bytes()[6] == b'$';
    let cost = whole.then(|| hash[4..6].parse().ok())??;
    let alphabet = GeneralPurpose::new(&BCRYPT, NO_PAD);
    let decodes = |part: &str| alphabet.decode(part).is_ok();
    (decodes(&hash[7..29]) && decodes(&hash[29..])).then_some(cost)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    const SHA: &str = "ann:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=";
    const TAIL: &str = "abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a";

    fn bcrypt(cost: u32) -> String {
        format!("bob:$2y${cost:02}${TAIL}")
    }

    #[test]
    fn every_line_is_judged_as_the_server_judges_it() {
        let lines: Vec<Value> =
            serde_json::from_str(include_str!("../../server/src/auth/htpasswd-lines.json")).unwrap();
        for line in &lines {
            let text = line["line"].as_str().unwrap();
            let error = check_line(text.as_bytes()).err().map(|error| error.to_string());
            assert_eq!(error.as_deref(), line["error"].as_str(), "{text}");
        }
        assert!(lines.len() > 20);
    }

    #[test]
    fn one_usable_line_is_enough_and_the_others_are_named_by_number() {
        let content = format!("\r\n # comment\r\nsecret:plain\r\n{SHA}\r\nnothing\r\n");
        let told = Lines::check(content.as_bytes()).unwrap().left_out().unwrap();
        assert!(told.starts_with("line 3 is left out: its hash is neither bcrypt"), "{told}");
        assert!(told.contains("; line 5 is left out: it is not `user:hash`"), "{told}");
        assert!(!["secret", "plain", "nothing"].iter().any(|word| told.contains(word)), "{told}");
        assert_eq!(Lines::check(SHA.as_bytes()).unwrap(), Lines::default());
    }

    #[test]
    fn a_line_without_exactly_one_colon_is_unfit_for_traefik_even_a_comment() {
        let unfit = |content: String| Lines::check(content.as_bytes()).unwrap().unfit_for_traefik();
        assert_eq!(unfit(format!("{SHA}\r\n\r\nbob:plain\n\n")), None);
        for line in ["# old", "nothing", "a:b:c", " "] {
            assert_eq!(unfit(format!("{SHA}\n{line}\n{line}\n")), Some(2), "{line}");
        }
    }

    #[test]
    fn of_many_lines_that_are_left_out_the_first_are_told() {
        let content = format!("{}{SHA}", "plain\n".repeat(500));
        let told = Lines::check(content.as_bytes()).unwrap().left_out().unwrap();
        assert!(told.ends_with("; and 497 more lines") && told.matches("is left out").count() == 3, "{told}");
    }

    #[test]
    fn without_a_usable_line_the_file_is_refused() {
        let error = |content: &[u8]| Lines::check(content).unwrap_err();
        assert!(error(b"").contains("at least one line"));
        assert!(error(b"# nobody\n\n").contains("at least one line"));
        assert!(error(b"ann:secret\n").contains("line 1 is left out: its hash is neither"));
        assert!(error(b"ann:$2y$15$x").contains("bcrypt hash is damaged"));
        assert!(error(&[0xff, b':', 0xfe]).contains("line 1"));
    }

    #[test]
    fn a_cost_above_8_says_what_it_takes() {
        let expensive = |costs: &[u32]| {
            let content: Vec<String> = costs.iter().map(|cost| bcrypt(*cost)).collect();
            Lines::check(content.join("\n").as_bytes()).unwrap().expensive()
        };
        assert_eq!(expensive(&[5, 8]), None);
        assert_eq!(Lines::check(SHA.as_bytes()).unwrap().expensive(), None);
        for (costs, told) in [
            (&[9][..], "cost 9 in line 1 takes some 35 ms"),
            (&[5, 10, 9], "cost 10 in line 2 takes some 70 ms"),
            (&[14, 14], "cost 14 in line 1 takes some 1120 ms"),
        ] {
            let text = expensive(costs).unwrap();
            assert!(text.contains(told) && text.contains("htpasswd -B -C 8"), "{text}");
        }
    }
}
