//! The tables, and what they must show.

use super::labelled::{Labelled, Reference};
use super::{Figures, Runs, SEEDS};

/// What a forest may differ from scikit-learn's by, on average over the sets.
const FOREST_AUROC: f64 = 0.005;
const FOREST_AVERAGE_PRECISION: f64 = 0.01;
/// What the ensemble must be better by, on average, and may be worse by, on a set.
const ENSEMBLE_GAIN: f64 = 0.02;
const ENSEMBLE_LOSS: f64 = 0.10;

const FOREST: &str = "isolationForest";
const ENSEMBLE: &str = "ensemble";

/// The figures of all detectors on all sets: `found[detector][set]`.
struct Found<'a> {
    names: &'a [&'a str],
    kinds: &'a [&'a str],
    found: &'a [Vec<Runs>],
}

/// Prints the tables as Markdown and returns the bounds that are missed.
pub(crate) fn print(names: &[&str], sets: &[Labelled], kinds: &[&str], found: &[Vec<Runs>]) -> Vec<String> {
    let found = Found { names, kinds, found };
    let mut missed = found.against_scikit_learn(sets);
    found.summary();
    found.of_each_set("AUROC, fitted and scored on all rows", |runs| mean(&runs.all, |run| run.auroc));
    found.of_each_set("AUROC, fitted on one half and scored on the other", |runs| {
        mean(&runs.held_out, |run| run.auroc)
    });
    missed.extend(found.ensemble());
    missed
}

fn mean(runs: &[Figures], figure: impl Fn(&Figures) -> f64) -> f64 {
    runs.iter().map(figure).sum::<f64>() / runs.len() as f64
}

fn average(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len() as f64;
    values.sum::<f64>() / count
}

impl Found<'_> {
    fn runs(&self, kind: &str) -> Option<&[Runs]> {
        let at = self.kinds.iter().position(|&other| other == kind)?;
        Some(&self.found[at])
    }

    /// The forest beside scikit-learn's.
    fn against_scikit_learn(&self, sets: &[Labelled]) -> Vec<String> {
        let Some(forest) = self.runs(FOREST) else { return vec![format!("{FOREST} was not run")] };
        let mut missed = Vec::new();
        let mut differences = [Vec::new(), Vec::new()];
        println!("### isolationForest beside scikit-learn's\n");
        println!(
            "| set | rows | columns | anomalies | AUROC | scikit-learn | difference | bound | AP | scikit-learn |"
        );
        println!("|---|---|---|---|---|---|---|---|---|---|");
        for ((name, set), runs) in self.names.iter().zip(sets).zip(forest) {
            let (reference, rows) = (Reference::of(name), &set.rows);
            let auroc = mean(&runs.all, |run| run.auroc);
            let precision = mean(&runs.all, |run| run.average_precision);
            let (difference, bound) = (auroc - reference.auroc, reference.bound(SEEDS));
            println!(
                "| {name} | {} | {} | {} | {auroc:.4} | {:.4} | {difference:+.4} | ±{bound:.4} | {precision:.4} | {:.4} |",
                rows.rows(),
                rows.columns(),
                set.anomalies(),
                reference.auroc,
                reference.average_precision
            );
            if difference.abs() > bound {
                missed.push(format!(
                    "{name}: AUROC differs from scikit-learn's by {difference:+.4}, bound {bound:.4}"
                ));
            }
            differences[0].push(difference);
            differences[1].push(precision - reference.average_precision);
        }
        let [auroc, precision] = differences.map(|values| average(values.into_iter()));
        println!(
            "\nOn average over the sets: AUROC {auroc:+.4} (bound ±{FOREST_AUROC}), average precision {precision:+.4} \
             (bound ±{FOREST_AVERAGE_PRECISION}).\n"
        );
        if auroc.abs() > FOREST_AUROC {
            missed
                .push(format!("mean AUROC differs from scikit-learn's by {auroc:+.4}, bound {FOREST_AUROC}"));
        }
        if precision.abs() > FOREST_AVERAGE_PRECISION {
            missed.push(format!(
                "mean average precision differs from scikit-learn's by {precision:+.4}, bound {FOREST_AVERAGE_PRECISION}"
            ));
        }
        missed
    }

    fn summary(&self) {
        println!("### All detectors, means over the sets\n");
        println!(
            "| detector | AUROC | AP | held-out AUROC | held-out AP | worst loss to the forest | held-out | longest training |"
        );
        println!("|---|---|---|---|---|---|---|---|");
        for (kind, runs) in self.kinds.iter().zip(self.found) {
            let over = |figure: &dyn Fn(&Runs) -> f64| average(runs.iter().map(figure));
            println!(
                "| {} | {:.4} | {:.4} | {:.4} | {:.4} | {} | {} | {:.2} s |",
                kind,
                over(&|runs| mean(&runs.all, |run| run.auroc)),
                over(&|runs| mean(&runs.all, |run| run.average_precision)),
                over(&|runs| mean(&runs.held_out, |run| run.auroc)),
                over(&|runs| mean(&runs.held_out, |run| run.average_precision)),
                self.worst_loss(kind, |runs| &runs.all).1,
                self.worst_loss(kind, |runs| &runs.held_out).1,
                runs.iter().map(|runs| runs.fit).max().unwrap_or_default().as_secs_f64(),
            );
        }
        println!();
    }

    /// The most that a detector's AUROC is below the forest's on a set, in numbers and words.
    fn worst_loss(&self, kind: &str, of: impl Fn(&Runs) -> &Vec<Figures>) -> (f64, String) {
        let (Some(runs), Some(forest)) = (self.runs(kind), self.runs(FOREST)) else {
            return (0.0, "–".to_owned());
        };
        let auroc = |runs: &Runs| mean(of(runs), |run| run.auroc);
        let losses = forest.iter().zip(runs).map(|(forest, runs)| auroc(forest) - auroc(runs));
        let worst = losses.zip(self.names).max_by(|a, b| a.0.total_cmp(&b.0));
        match worst {
            Some((loss, name)) if loss > 0.0 => (loss, format!("{loss:.3} ({name})")),
            _ => (0.0, "–".to_owned()),
        }
    }

    fn of_each_set(&self, title: &str, figure: impl Fn(&Runs) -> f64) {
        println!("### {title}\n");
        println!("| set |{}", self.kinds.iter().map(|kind| format!(" {kind} |")).collect::<String>());
        println!("|---|{}", "---|".repeat(self.kinds.len()));
        for (set, name) in self.names.iter().enumerate() {
            let cells: String =
                self.found.iter().map(|runs| format!(" {:.3} |", figure(&runs[set]))).collect();
            println!("| {name} |{cells}");
        }
        println!();
    }

    /// The ensemble beside the forest, both as fitted and scored on all rows.
    fn ensemble(&self) -> Vec<String> {
        let (Some(runs), Some(forest)) = (self.runs(ENSEMBLE), self.runs(FOREST)) else { return Vec::new() };
        let auroc = |runs: &[Runs]| average(runs.iter().map(|runs| mean(&runs.all, |run| run.auroc)));
        let (gain, (loss, worst)) =
            (auroc(runs) - auroc(forest), self.worst_loss(ENSEMBLE, |runs| &runs.all));
        println!(
            "The ensemble's AUROC is {gain:+.4} above the forest's (at least {ENSEMBLE_GAIN}), its worst loss {worst} (at most \
             {ENSEMBLE_LOSS}).\n"
        );
        let mut missed = Vec::new();
        if gain < ENSEMBLE_GAIN {
            missed.push(format!(
                "the ensemble's mean AUROC is {gain:+.4} above the forest's, bound {ENSEMBLE_GAIN}"
            ));
        }
        if loss > ENSEMBLE_LOSS {
            missed.push(format!("the ensemble loses {worst} to the forest, bound {ENSEMBLE_LOSS}"));
        }
        missed
    }
}
