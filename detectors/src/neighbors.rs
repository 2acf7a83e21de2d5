//! Reference rows and the nearest of them: what nearest neighbours and the local outlier factor have in common.
//!
//! References are training rows drawn by the seed. Columns are scaled by median and interquartile range, or by the
//! standard deviation where that is 0, and kept in 32 bits; a constant column is 0 everywhere. Distances are Euclidean,
//! of differences taken in 64 bits and summed column by column, so that every machine gets the same bits. How the
//! nearest are found: see [`search`].

use ndarray::{ArrayView1, ArrayView2, Axis};

use crate::config::NeighborsParameters;
use crate::matrix::CheckedMatrix;
use crate::random::{Random, Urn};
use crate::scaling::{Scale, Width, scales};
use crate::scratch::with_scratch;

mod search;

pub(crate) use search::Nearest;
use search::ROWS;

/// References where nothing else is asked for.
pub(crate) const USUAL_REFERENCES: usize = 1_024;
/// The most bytes of references, so that a model fits a revision.
pub(crate) const MAX_BYTES: usize = 600_000;
/// The most neighbours: their places are kept on the stack.
pub(crate) const MAX_NEIGHBORS: usize = 100;
/// References that are compared with a row side by side.
const LANES: usize = 16;
const PURPOSE: &[u8; 16] = b"reference---rows";

/// References on a common scale.
#[derive(Clone, Debug)]
pub(crate) struct References {
    /// Of all d columns; without width if constant.
    scales: Vec<Scale>,
    /// R ≥ 1.
    count: usize,
    /// R / 16 blocks, and an even number, of d entries, each with one column of 16 references. What fills the last ones is
    /// infinitely far.
    blocks: Vec<[f32; LANES]>,
    /// The same, reference after reference.
    rows: Vec<f32>,
    halves: search::OfReferences,
    /// Where the references were in the training table, ascending. Known after a fit only.
    places: Vec<u32>,
}

/// Neither a fit's memory nor a not-a-number makes a difference.
impl PartialEq for References {
    fn eq(&self, other: &Self) -> bool {
        (&self.scales, self.count, &self.blocks) == (&other.scales, other.count, &other.blocks)
    }
}

impl References {
    /// References drawn from the rows, within `most_bytes`.
    pub(crate) fn draw(parameters: &NeighborsParameters, rows: &CheckedMatrix, most_bytes: usize) -> Self {
        let fitting = (most_bytes / (4 * rows.columns())).max(1);
        let asked = parameters.references().unwrap_or(USUAL_REFERENCES);
        let count = asked.min(rows.rows()).min(fitting);
        let mut places = Vec::new();
        let mut random = Random::new(parameters.seed(), PURPOSE, 0);
        Urn::new(rows.rows() as u32).draw(count as u32, &mut random, &mut places);
        places.sort_unstable();
        let scales = scales(rows, Width::Iqr);
        let scaled = |place: &u32| {
            let row = rows.row(*place as usize);
            row.iter().zip(&scales).map(|(&value, scale)| scale.apply_f32(value)).collect::<Vec<f32>>()
        };
        let values: Vec<f32> = places.iter().flat_map(scaled).collect();
        Self::new(scales, values, places)
    }

    /// From stored parts, the references row by row; an error in words if they are not references.
    pub(crate) fn from_parts(scales: Vec<Scale>, values: &[f32]) -> Result<Self, String> {
        let columns = scales.len();
        if columns == 0 || !scales.iter().all(|scale| scale.is_valid()) {
            return Err("a column has no scale".to_owned());
        }
        if values.is_empty() || !values.len().is_multiple_of(columns) {
            return Err(format!("{} values are no references of {columns} columns", values.len()));
        }
        if !values.iter().all(|value| value.is_finite()) {
            return Err("a reference has a value that is not finite".to_owned());
        }
        Ok(Self::new(scales, values.to_vec(), Vec::new()))
    }

    fn new(scales: Vec<Scale>, rows: Vec<f32>, places: Vec<u32>) -> Self {
        let columns = scales.len();
        let blocks = into_blocks(&rows, columns);
        let halves = search::OfReferences::new(&rows, columns, blocks.len() / columns);
        Self { scales, count: rows.len() / columns, blocks, rows, halves, places }
    }

    pub(crate) fn scales(&self) -> &[Scale] {
        &self.scales
    }

    /// R.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// In a model file.
    pub(crate) fn bytes(&self) -> usize {
        4 * self.count * self.columns()
    }

    /// d.
    pub(crate) fn columns(&self) -> usize {
        self.scales.len()
    }

    /// One column of one reference.
    pub(crate) fn value(&self, reference: usize, column: usize) -> f32 {
        self.rows[reference * self.columns() + column]
    }

    /// The reference that the row at this place of the training table is, if it is one.
    pub(crate) fn at_place(&self, place: u32) -> Option<u32> {
        self.places.binary_search(&place).ok().map(|reference| reference as u32)
    }

    /// How many neighbours there are if so many are asked for: one reference may be the row itself.
    pub(crate) fn neighbors(&self, asked: usize) -> usize {
        asked.min(MAX_NEIGHBORS).min((self.count - 1).max(1))
    }

    /// Calls `work` with the row as the references are scaled.
    pub(crate) fn with_scaled<R>(&self, row: ArrayView1<'_, f64>, work: impl FnOnce(&[f32]) -> R) -> R {
        assert_eq!(row.len(), self.columns(), "a row has all columns");
        with_scratch(self.columns(), |scaled| {
            self.scale(row, scaled);
            work(scaled)
        })
    }

    fn scale(&self, row: ArrayView1<'_, f64>, scaled: &mut [f32]) {
        let columns = row.iter().zip(&self.scales);
        scaled.iter_mut().zip(columns).for_each(|(to, (&value, scale))| *to = scale.apply_f32(value));
    }

    /// A reference as a row, scaled.
    pub(crate) fn with_reference<R>(&self, reference: u32, work: impl FnOnce(&[f32]) -> R) -> R {
        with_scratch(self.columns(), |scaled| {
            let column = |at| self.value(reference as usize, at);
            scaled.iter_mut().enumerate().for_each(|(at, to)| *to = column(at));
            work(scaled)
        })
    }

    /// The nearest references to a scaled row, without one of them if that is the row itself.
    pub(crate) fn nearest(&self, row: &[f32], wanted: usize, itself: Option<u32>) -> Nearest {
        search::nearest(self, row, wanted, itself)
    }

    /// Hands over the nearest references to each row of a matrix and the row's number; `itself` tells which reference a row is.
    pub(crate) fn nearest_to_each(
        &self,
        rows: ArrayView2<'_, f64>,
        wanted: usize,
        itself: impl Fn(usize) -> Option<u32>,
        mut take: impl FnMut(usize, &Nearest),
    ) {
        assert_eq!(rows.ncols(), self.columns(), "a row has all columns");
        let mut scaled = vec![0.0; ROWS * self.columns()];
        let mut tile = search::Tile::new(self);
        for (tile_at, rows) in rows.axis_chunks_iter(Axis(0), ROWS).enumerate() {
            let scaled = &mut scaled[..rows.len()];
            for (row, scaled) in rows.rows().into_iter().zip(scaled.chunks_exact_mut(self.columns())) {
                self.scale(row, scaled);
            }
            let first = tile_at * ROWS;
            tile.nearest(
                self,
                scaled,
                wanted,
                |at| itself(first + at),
                |at, nearest| take(first + at, nearest),
            );
        }
    }

    /// Shares `whole` among the columns by the squared differences from a scaled row to its neighbours: equally if there
    /// are none.
    pub(crate) fn share(&self, row: &[f32], nearest: &Nearest, whole: f64, contributions: &mut [f64]) {
        contributions.fill(0.0);
        for reference in nearest.references() {
            for (column, (to, &value)) in contributions.iter_mut().zip(row).enumerate() {
                let difference = f64::from(value) - f64::from(self.value(reference as usize, column));
                *to += difference * difference;
            }
        }
        let sum: f64 = contributions.iter().sum();
        let equal = 1.0 / self.columns() as f64;
        for contribution in contributions {
            *contribution = whole * if sum > 0.0 { *contribution / sum } else { equal };
        }
    }
}

fn into_blocks(values: &[f32], columns: usize) -> Vec<[f32; LANES]> {
    let count = values.len() / columns;
    let entry = |block: usize, column: usize| {
        std::array::from_fn(|lane| match block * LANES + lane {
            reference if reference < count => values[reference * columns + column],
            _ => f32::INFINITY,
        })
    };
    (0..count.div_ceil(2 * LANES) * 2)
        .flat_map(|block| (0..columns).map(move |column| entry(block, column)))
        .collect()
}

#[cfg(test)]
mod tests;
