//! What was aimed at, and whether this run reached it.

use std::fmt::Write as _;

/// The aims of the tables that were measured.
#[derive(Default)]
pub(crate) struct Aims(Vec<Aim>);

struct Aim {
    name: String,
    asked: String,
    figure: String,
    reached: bool,
}

impl Aims {
    /// `figure` is to be at most `bound`. What could not be measured, NaN, is not reached.
    pub(crate) fn at_most(&mut self, name: impl Into<String>, figure: f64, bound: f64, unit: &str) {
        self.push(name.into(), ("≤", bound), figure, unit, figure <= bound);
    }

    /// `figure` is to be at least `bound`, likewise.
    pub(crate) fn at_least(&mut self, name: impl Into<String>, figure: f64, bound: f64, unit: &str) {
        self.push(name.into(), ("≥", bound), figure, unit, figure >= bound);
    }

    fn push(&mut self, name: String, asked: (&str, f64), figure: f64, unit: &str, reached: bool) {
        let shown = |figure: f64| match figure {
            figure if figure.is_nan() => "–".to_owned(),
            figure if figure.abs() >= 1_000.0 => format!("{figure:.0} {unit}"),
            figure => format!("{:.1$} {unit}", figure, if figure.abs() < 10.0 { 2 } else { 1 }),
        };
        let asked = format!("{} {} {unit}", asked.0, (asked.1 * 10.0).round() / 10.0);
        self.0.push(Aim { name, asked, figure: shown(figure), reached });
    }

    /// A table of Markdown with a line that counts, of all aims or those that were measured.
    pub(crate) fn table(&self) -> String {
        let mut table = "| aim | asked | measured | |\n|---|---|---|---|\n".to_owned();
        for Aim { name, asked, figure, reached } in &self.0 {
            let said = if *reached { "reached" } else { "**missed**" };
            let _ = writeln!(table, "| {name} | {} | {} | {said} |", asked.trim_end(), figure.trim_end());
        }
        let reached = self.0.iter().filter(|aim| aim.reached).count();
        let _ = write!(table, "\n{reached} of {} aims are reached in this run.", self.0.len());
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_aim_is_reached_at_its_bound_and_missed_beyond_it_or_unmeasured() {
        let mut aims = Aims::default();
        aims.at_most("cost", 15.0, 15.0, "µs");
        aims.at_most("p99", 2.001, 2.0, "ms");
        aims.at_least("rows", 699_999.6, 700_000.0, "");
        aims.at_least("ratio", f64::NAN, 300.0, "times");
        assert_eq!(
            aims.table(),
            "| aim | asked | measured | |\n|---|---|---|---|\n\
             | cost | ≤ 15 µs | 15.0 µs | reached |\n\
             | p99 | ≤ 2 ms | 2.00 ms | **missed** |\n\
             | rows | ≥ 700000 | 700000 | **missed** |\n\
             | ratio | ≥ 300 times | – | **missed** |\n\
             \n1 of 4 aims are reached in this run."
        );
    }
}
