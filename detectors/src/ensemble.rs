//! Ensemble: several detectors at once, compared by how rare each finds a row.
//!
//! The outlyingness is the weighted mean of the members' surprises, u = −log10 p, where p is the share of the training
//! rows that a member calls at least as outlying, continued beyond them by an exponential tail: see
//! [`crate::calibration`]. Surprises of different detectors have one scale, where their scores have none; and the mean is
//! high only if a row is rare for most of them or very rare for one. C. C. Aggarwal, S. Sathe: *Outlier Ensembles*,
//! Springer 2017, chapter 5, compare ways to combine scores.

use ndarray::{ArrayView2, Axis};

use crate::calibration::Calibration;
use crate::config::{EnsembleParameters, Parameters};
use crate::description::{Warning, reasons};
use crate::detector::{Detector, FitError, Fitted, MAX_OUTLYINGNESS};
use crate::explanation::Level;
use crate::local_outlier_factor::LocalOutlierFactor;
use crate::matrix::CheckedMatrix;
use crate::model::{CHUNK, calibration_rows};
use crate::nearest_neighbors::NearestNeighbors;
use crate::scratch::with_scratch;
use crate::{neighbors, robust_covariance};

/// The most members.
pub(crate) const MAX_MEMBERS: usize = 16;
/// What a covariance and reference rows may take together, so that a model fits a revision.
const MAX_BYTES: usize = 700_000;

/// Fitted members.
#[derive(Clone, Debug)]
pub struct Ensemble {
    members: Vec<Member>,
}

/// A fitted detector and what its measures of the training rows were.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) fitted: Fitted,
    pub(crate) calibration: Calibration,
    /// Its share of all weights.
    pub(crate) weight: f64,
}

impl Member {
    fn new(fitted: Fitted, weight: f64, rows: &CheckedMatrix, places: &[u32]) -> Self {
        let mut measures = vec![0.0; rows.rows()];
        fitted.measure_training(rows.view(), places, &mut measures);
        let mut outlyingness: Vec<f64> = measures.iter().map(|&measure| -fitted.score(measure)).collect();
        outlyingness.sort_unstable_by(f64::total_cmp);
        Self { calibration: Calibration::new(&outlyingness), fitted, weight }
    }

    /// The weighted surprise of a measure.
    fn part(&self, measure: f64) -> f64 {
        let surprise = self.calibration.surprise(-self.fitted.score(measure));
        self.weight * surprise.min(MAX_OUTLYINGNESS)
    }

    /// Adds what the member contributes to each column: `part`, its weighted surprise, shared by its own positive ones.
    /// Returns `part` if there are none, else 0.
    fn explain(&self, row: &[f64], part: f64, contributions: &mut [f64]) -> f64 {
        with_scratch(row.len(), |own| {
            self.fitted.explain_row(row, own);
            let all: f64 = own.iter().map(|own| own.max(0.0)).sum();
            if all <= 0.0 {
                return part;
            }
            for (to, own) in contributions.iter_mut().zip(own) {
                *to += part * (own.max(0.0) / all);
            }
            0.0
        })
    }
}

impl Ensemble {
    /// From stored parts; an error in words if they are not a detector.
    pub(crate) fn from_parts(members: Vec<Member>) -> Result<Self, String> {
        let Some(first) = members.first() else { return Err("it has no members".to_owned()) };
        let columns = first.fitted.columns();
        if members.len() > MAX_MEMBERS || !members.iter().all(|member| member.fitted.columns() == columns) {
            return Err("its members are too many or have different columns".to_owned());
        }
        let kinds = members.iter().map(|member| member.fitted.kind());
        if kinds.collect::<std::collections::BTreeSet<_>>().len() < members.len() {
            return Err("two of its members are of one kind".to_owned());
        }
        if !members.iter().all(|member| member.weight > 0.0 && member.weight <= 1.0) {
            return Err("a member has no weight".to_owned());
        }
        Ok(Self { members })
    }

    /// The members, in the order of the resource.
    pub(crate) fn members(&self) -> &[Member] {
        &self.members
    }

    /// One member after the other: the sum of all parts, in their order. `measure` is given the place of its first row.
    fn measure_by(
        &self,
        rows: ArrayView2<'_, f64>,
        measures: &mut [f64],
        measure: impl Fn(&Fitted, usize, ArrayView2<'_, f64>, &mut [f64]),
    ) {
        let mut own = vec![0.0; measures.len().min(CHUNK)];
        measures.fill(0.0);
        let chunks = rows.axis_chunks_iter(Axis(0), CHUNK).zip(measures.chunks_mut(CHUNK));
        for (chunk, (rows, measures)) in chunks.enumerate() {
            let own = &mut own[..measures.len()];
            for member in &self.members {
                measure(&member.fitted, chunk * CHUNK, rows, own);
                measures.iter_mut().zip(&*own).for_each(|(sum, &own)| *sum -= member.part(own));
            }
        }
    }
}

impl Detector for Ensemble {
    type Parameters = EnsembleParameters;

    fn fit(
        parameters: &Self::Parameters,
        features: &[String],
        rows: &CheckedMatrix,
    ) -> Result<(Self, Vec<Warning>), FitError> {
        let (calibrating, places) = calibration_rows(rows, Self::seed(parameters));
        let (mut members, mut warnings) = (Vec::new(), Vec::new());
        let mut bytes = MAX_BYTES;
        for (at, (member, weight)) in parameters.members().iter().enumerate() {
            if parameters.is_default() && is_too_wide(member, rows) {
                warnings.push(left_out(rows.columns()));
                continue;
            }
            let sharing =
                parameters.members()[at..].iter().filter(|(member, _)| has_references(member)).count();
            let (fitted, own) = fit_member(member, features, rows, bytes / sharing.max(1))
                .map_err(|error| FitError::Member { member: member.kind(), error: Box::new(error) })?;
            bytes = bytes.saturating_sub(bulk(&fitted));
            members.push(Member::new(fitted, *weight, &calibrating, &places));
            for warning in own {
                // Several members say the same of a constant column; and of a member that nobody chose, nobody need know
                // how it came by its estimate.
                let was_chosen = !parameters.is_default();
                let concerns = was_chosen || warning.reason != reasons::REGULARISED_COVARIANCE;
                if concerns && !warnings.contains(&warning) {
                    warnings.push(warning);
                }
            }
        }
        let weights: f64 = members.iter().map(|member| member.weight).sum();
        members.iter_mut().for_each(|member| member.weight /= weights);
        Ok((Self { members }, warnings))
    }

    /// What the first member says that says something: several would say the same.
    fn inspect(&self, rows: &CheckedMatrix, features: &[String]) -> Option<Warning> {
        self.members.iter().find_map(|member| member.fitted.inspect(rows, features))
    }

    fn seed(parameters: &Self::Parameters) -> u64 {
        let seeds = parameters.members().iter().map(|(member, _)| Fitted::seed(member));
        seeds.max().unwrap_or(0)
    }

    fn columns(&self) -> usize {
        self.members[0].fitted.columns()
    }

    fn accepts(&self, value: f64) -> bool {
        self.members.iter().all(|member| member.fitted.accepts(value))
    }

    fn measure_row(&self, row: &[f64]) -> f64 {
        self.members.iter().fold(0.0, |sum, member| sum - member.part(member.fitted.measure_row(row)))
    }

    fn measure(&self, rows: ArrayView2<'_, f64>, measures: &mut [f64]) {
        self.measure_by(rows, measures, |fitted, _, rows, own| fitted.measure(rows, own));
    }

    fn measure_training(&self, rows: ArrayView2<'_, f64>, at: &[u32], measures: &mut [f64]) {
        self.measure_by(rows, measures, |fitted, first, rows, own| {
            fitted.measure_training(rows, &at[first..][..own.len()], own);
        });
    }

    /// Each member by everything that could measure it, the others as usual.
    fn measure_every_way(&self, rows: ArrayView2<'_, f64>) -> Vec<(&'static str, Vec<f64>)> {
        let ways: Vec<_> = self.members.iter().map(|member| member.fitted.measure_every_way(rows)).collect();
        let combined = |special: usize, way: usize| {
            let count = ways[special][way].1.len();
            let measure = |row: usize| {
                let parts = self.members.iter().enumerate().map(|(at, member)| {
                    let measures = &ways[at][if at == special { way } else { 0 }].1;
                    // Rows may be repeated more often for one than for another, always in their order.
                    member.part(measures[if at == special { row } else { row % rows.nrows() }])
                });
                parts.fold(0.0, |sum, part| sum - part)
            };
            (ways[special][way].0, (0..count).map(measure).collect())
        };
        (0..ways.len())
            .flat_map(|at| (0..ways[at].len()).map(move |way| (at, way)))
            .map(|(at, way)| combined(at, way))
            .collect()
    }

    /// That of the first member that has one of its own.
    fn kernel(&self) -> &'static str {
        let mut kernels = self.members.iter().map(|member| member.fitted.kernel());
        kernels.find(|&kernel| kernel != "portable").unwrap_or("portable")
    }

    /// The members' shares, weighted by their surprise. The baseline is what no column explains: the surprise of members
    /// for which no column makes the row anomalous.
    fn explain_row(&self, row: &[f64], contributions: &mut [f64]) -> Level {
        assert_eq!([row.len(), contributions.len()], [self.columns(); 2], "a row has all columns");
        contributions.fill(0.0);
        let (mut baseline, mut value) = (0.0, 0.0);
        for member in &self.members {
            let part = member.part(member.fitted.measure_row(row));
            value -= part;
            baseline -= member.explain(row, part, contributions);
        }
        Level { baseline, value }
    }

    /// Those of the members, in turn.
    fn edge(&self, row: &[f64], which: usize) -> Option<Vec<f64>> {
        let count = self.members.len();
        (0..count).find_map(|next| self.members[(which + next) % count].fitted.edge(row, which))
    }
}

/// A member whose references, if it has any, take at most so many bytes.
fn fit_member(
    member: &Parameters,
    features: &[String],
    rows: &CheckedMatrix,
    most_bytes: usize,
) -> Result<(Fitted, Vec<Warning>), FitError> {
    let most_bytes = most_bytes.min(neighbors::MAX_BYTES);
    match member {
        Parameters::NearestNeighbors(parameters) => {
            let (detector, warnings) = NearestNeighbors::fit_within(parameters, features, rows, most_bytes)?;
            Ok((Fitted::NearestNeighbors(Box::new(detector)), warnings))
        }
        Parameters::LocalOutlierFactor(parameters) => {
            let (detector, warnings) =
                LocalOutlierFactor::fit_within(parameters, features, rows, most_bytes)?;
            Ok((Fitted::LocalOutlierFactor(Box::new(detector)), warnings))
        }
        other => Fitted::fit(other, features, rows),
    }
}

/// The bytes of what members share [`MAX_BYTES`] for.
fn bulk(fitted: &Fitted) -> usize {
    match fitted {
        Fitted::RobustCovariance(detector) => detector.factor_bytes(),
        Fitted::NearestNeighbors(detector) => detector.parts().0.bytes(),
        Fitted::LocalOutlierFactor(detector) => detector.parts().0.bytes(),
        _ => 0,
    }
}

fn is_too_wide(member: &Parameters, rows: &CheckedMatrix) -> bool {
    matches!(member, Parameters::RobustCovariance(_)) && rows.columns() > robust_covariance::MAX_COLUMNS
}

fn has_references(member: &Parameters) -> bool {
    matches!(member, Parameters::NearestNeighbors(_) | Parameters::LocalOutlierFactor(_))
}

fn left_out(columns: usize) -> Warning {
    Warning {
        reason: reasons::MEMBER_LEFT_OUT.to_owned(),
        message: format!(
            "robustCovariance takes at most {} columns, but there are {columns}: the ensemble does without it; choose \
             fewer features or list detector.ensemble.members",
            robust_covariance::MAX_COLUMNS
        ),
    }
}

#[cfg(test)]
mod tests;
