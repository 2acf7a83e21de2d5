//! Whether those who wait are answered in turn.

use std::time::Duration;

/// Long enough for thousands of answers, short enough for a virtual machine to be as fast at its end as at its beginning.
const WINDOW: Duration = Duration::from_millis(50);

/// The p99 of each window of a closed loop, in units of what all wait who are answered in turn: connections ÷ throughput of
/// that window. It tells whether some wait longer than others, not how fast the server is.
///
/// A machine that is slow for longer than a window does not change it, a pause within a window does. A window without an
/// answer is infinite. The first, in which connections are made, is left out.
pub(crate) fn waits(answers: &[(Duration, Duration)], connections: usize, duration: Duration) -> Vec<f64> {
    let number = |time: Duration| (time.as_nanos() / WINDOW.as_nanos()) as usize;
    let mut windows = vec![Vec::new(); number(duration)];
    for (came, latency) in answers {
        if let Some(window) = windows.get_mut(number(*came)) {
            window.push(*latency);
        }
    }
    windows.into_iter().skip(1).map(|latencies| wait(latencies, connections)).collect()
}

fn wait(mut latencies: Vec<Duration>, connections: usize) -> f64 {
    latencies.sort();
    let Some(p99) = latencies.get(latencies.len() * 99 / 100) else { return f64::INFINITY };
    p99.as_secs_f64() * latencies.len() as f64 / WINDOW.as_secs_f64() / connections as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONNECTIONS: u32 = 8;
    const DURATION: Duration = Duration::from_secs(1);

    /// An answer every 100 µs in the first half of a second, every 50 µs in the second half.
    fn in_turn() -> Vec<(Duration, Duration)> {
        let [slow, fast] = [100, 50].map(Duration::from_micros);
        let first = (0..5_000).map(|n| (n * slow, CONNECTIONS * slow));
        let second = (0..10_000).map(|n| (5_000 * slow + n * fast, CONNECTIONS * fast));
        first.chain(second).collect()
    }

    fn of(answers: &[(Duration, Duration)]) -> Vec<f64> {
        let waits = waits(answers, CONNECTIONS as usize, DURATION);
        assert_eq!(waits.len(), 19);
        waits
    }

    fn all_are(waits: &[f64], expected: f64) {
        assert!(waits.iter().all(|wait| (wait - expected).abs() < 1e-9), "{waits:?}");
    }

    #[test]
    fn who_is_answered_in_turn_waits_for_all_others_once_however_fast_the_machine_is() {
        all_are(&of(&in_turn()), 1.0);
    }

    #[test]
    fn one_in_fifty_that_waits_longer_is_seen_and_one_in_two_hundred_is_not() {
        for (every, expected) in [(50, 3.0), (200, 1.0)] {
            let mut answers = in_turn();
            answers.iter_mut().step_by(every).for_each(|(_, latency)| *latency *= 3);
            all_are(&of(&answers), expected);
        }
    }

    #[test]
    fn a_window_without_an_answer_is_infinite() {
        let mut answers = in_turn();
        answers.retain(|(came, _)| !(200..250).contains(&came.as_millis()));
        let waits = of(&answers);
        assert_eq!(waits.iter().position(|wait| wait.is_infinite()), Some(3));
        assert_eq!(waits.iter().filter(|wait| wait.is_infinite()).count(), 1);
        assert!(of(&[]).iter().all(|wait| wait.is_infinite()));
    }
}
