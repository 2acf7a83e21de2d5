//! Hyperplanes that are drawn from a seed alone: a split's columns and normal are not stored but drawn again when the
//! model is read. A split of 10 columns takes 5 bytes of a file instead of 45.

use crate::random::{Random, Urn};

const PURPOSE: &[u8; 16] = b"hyperplanes-eif!";
/// Products that are added side by side; hyperplanes are filled up with zeros to a multiple.
pub(super) const LANES: usize = 4;
/// The most draws for one split: the first whose columns vary in the node is taken.
pub(crate) const MAX_DRAWS: u8 = 100;

/// Which part of a row a hyperplane looks at, and how hyperplanes are drawn.
#[derive(Clone, Debug)]
pub(super) struct Source {
    seed: u64,
    /// Columns that rows have, at least 1.
    columns: u32,
    /// Columns of each hyperplane, 1 to `columns`.
    width: u32,
    urn: Urn,
    drawn: Vec<u32>,
}

impl Source {
    pub(super) fn new(seed: u64, columns: usize, width: usize) -> Self {
        let is_whole = width >= columns;
        let urn = Urn::new(if is_whole { 0 } else { columns as u32 });
        Self { seed, columns: columns as u32, width: width.min(columns) as u32, urn, drawn: Vec::new() }
    }

    /// Appends the hyperplane of split `split` of tree `tree`, draw `draw`, to `planes`.
    pub(super) fn draw(&mut self, tree: u32, split: u32, draw: u8, planes: &mut Planes) {
        let index = u64::from(tree) << 40 | u64::from(split) << 8 | u64::from(draw);
        let mut random = Random::new(self.seed, PURPOSE, index);
        if self.width < self.columns {
            self.urn.draw(self.width, &mut random, &mut self.drawn);
            self.drawn.sort_unstable();
            planes.columns.extend(self.drawn.iter().map(|&column| column as u16));
            planes.columns.resize(planes.columns.len() + planes.stride - planes.width, 0);
        }
        let first = planes.normals.len();
        planes.normals.extend((0..self.width).map(|_| random.bell()));
        let square = |normal: &f32| f64::from(*normal) * f64::from(*normal);
        planes.squares.push(planes.normals[first..].iter().map(square).sum());
        planes.normals.resize(first + planes.stride, 0.0);
    }
}

/// The hyperplanes of a forest, one after the other.
#[derive(Clone, Debug)]
pub(super) struct Planes {
    /// Columns of each.
    width: usize,
    /// `width` and the zeros after it.
    stride: usize,
    normals: Vec<f32>,
    /// |n|² of each.
    squares: Vec<f64>,
    /// Which columns; empty if each hyperplane has all.
    columns: Vec<u16>,
}

impl Planes {
    /// None yet, of `width` of `columns` columns.
    pub(super) fn new(columns: usize, width: usize) -> Self {
        let width = width.min(columns);
        let stride = width.next_multiple_of(LANES);
        Self { width, stride, normals: Vec::new(), squares: Vec::new(), columns: Vec::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.squares.len()
    }

    /// Columns of each, and the zeros after them.
    pub(super) fn stride(&self) -> usize {
        self.stride
    }

    /// |n|² of a hyperplane's normal.
    pub(super) fn square(&self, plane: usize) -> f64 {
        self.squares[plane]
    }

    /// Forgets the last.
    pub(super) fn pop(&mut self) {
        self.squares.pop();
        self.normals.truncate(self.normals.len() - self.stride);
        self.columns.truncate(self.columns.len().saturating_sub(self.stride));
    }

    /// A row's projection on the normal, in f64 and in a fixed order: the products are exact, so it is the same with and
    /// without fused multiply-add. `row` is filled up with zeros to a multiple of [`LANES`].
    pub(super) fn project(&self, plane: usize, row: &[f64]) -> f64 {
        let range = plane * self.stride..(plane + 1) * self.stride;
        let normals = &self.normals[range.clone()];
        let mut sums = [0.0; LANES];
        if self.columns.is_empty() {
            for (normals, values) in normals.chunks_exact(LANES).zip(row.chunks_exact(LANES)) {
                for lane in 0..LANES {
                    sums[lane] += f64::from(normals[lane]) * values[lane];
                }
            }
        } else {
            let columns = &self.columns[range];
            for (normals, columns) in normals.chunks_exact(LANES).zip(columns.chunks_exact(LANES)) {
                for lane in 0..LANES {
                    sums[lane] += f64::from(normals[lane]) * row[columns[lane] as usize];
                }
            }
        }
        (sums[0] + sums[1]) + (sums[2] + sums[3])
    }

    /// Shares `amount` among the columns of a hyperplane n·z = t by |n_j (z_j − p_j)|, where p is its point nearest to 0,
    /// and adds each share to that of the column. `parts` has the length of a hyperplane, `shares` that of a row.
    pub(super) fn share(
        &self,
        plane: usize,
        t: f64,
        row: &[f64],
        amount: f64,
        parts: &mut [f64],
        shares: &mut [f64],
    ) {
        let range = plane * self.stride..(plane + 1) * self.stride;
        let foot = t / self.squares[plane];
        let part = |normal: f32, value: f64| (f64::from(normal) * (value - foot * f64::from(normal))).abs();
        let normals = self.normals[range.clone()].iter().zip(&mut *parts);
        if self.columns.is_empty() {
            normals.zip(row).for_each(|((&normal, to), &value)| *to = part(normal, value));
        } else {
            let columns = normals.zip(&self.columns[range.clone()]);
            columns.for_each(|((&normal, to), &column)| *to = part(normal, row[column as usize]));
        }
        let mut sums = [0.0; LANES];
        for parts in parts.chunks_exact(LANES) {
            (0..LANES).for_each(|lane| sums[lane] += parts[lane]);
        }
        let mut all = (sums[0] + sums[1]) + (sums[2] + sums[3]);
        if all == 0.0 {
            // A row on that very point has no distance to share.
            parts[..self.width].fill(1.0);
            all = self.width as f64;
        }
        let factor = amount / all;
        if self.columns.is_empty() {
            shares.iter_mut().zip(&*parts).for_each(|(share, part)| *share += factor * part);
        } else {
            let columns = self.columns[range].iter().zip(&*parts);
            columns.for_each(|(&column, part)| shares[column as usize] += factor * part);
        }
    }

    /// The columns of a hyperplane and their parts of its normal.
    pub(super) fn parts(&self, plane: usize) -> impl Iterator<Item = (usize, f64)> {
        let first = plane * self.stride;
        (0..self.width).map(move |at| {
            let column = self.columns.get(first + at).map_or(at, |&column| column.into());
            (column, f64::from(self.normals[first + at]))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(columns: usize, width: usize, tree: u32) -> Vec<(usize, f64)> {
        let mut planes = Planes::new(columns, width);
        let mut source = Source::new(7, columns, width);
        source.draw(0, 9, 0, &mut planes);
        source.draw(tree, 3, 0, &mut planes);
        planes.parts(1).collect()
    }

    #[test]
    fn a_hyperplane_depends_on_its_place_and_not_on_those_drawn_before() {
        let mut planes = Planes::new(9, 4);
        Source::new(7, 9, 4).draw(5, 3, 0, &mut planes);
        assert_eq!(planes.parts(0).collect::<Vec<_>>(), drawn(9, 4, 5));
        assert_ne!(drawn(9, 4, 5), drawn(9, 4, 6));
    }

    #[test]
    fn a_hyperplane_has_as_many_different_columns_as_asked_for() {
        let columns: Vec<usize> = drawn(40, 7, 1).iter().map(|part| part.0).collect();
        assert!(columns.len() == 7 && columns.is_sorted_by(|a, b| a < b) && columns[6] < 40);
        let all: Vec<usize> = drawn(5, 9, 1).iter().map(|part| part.0).collect();
        assert_eq!(all, [0, 1, 2, 3, 4]);
    }

    #[test]
    fn the_projection_is_the_inner_product() {
        for width in [1, 3, 10] {
            let mut planes = Planes::new(10, width);
            Source::new(1, 10, width).draw(0, 0, 0, &mut planes);
            let mut row: Vec<f64> = (0..10).map(f64::from).collect();
            row.resize(12, 0.0);
            let expected: f64 = planes.parts(0).map(|(column, normal)| normal * row[column]).sum();
            assert!((planes.project(0, &row) - expected).abs() < 1e-9);
        }
    }
}
