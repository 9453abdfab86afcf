//! Sparse matrices as a caller passes them: three arrays and a width, right or wrong.

use std::collections::BTreeMap;

use crate::draw::{Draw, Kind};
use crate::kernels::csr::{Csr, Indptr, OwnedCsr, Pattern};
use crate::kernels::error::Error;
use crate::kernels::memory::MOST;
use crate::kernels::propagate::Matrix;

/// The arrays of a sparse matrix; nothing is promised of them.
#[derive(Debug, Clone)]
pub struct Arrays {
    indptr: Pointers,
    pub indices: Vec<i32>,
    pub values: Vec<f32>,
    pub n_cols: usize,
}

#[derive(Debug, Clone)]
enum Pointers {
    Narrow(Vec<i32>),
    Wide(Vec<i64>),
}

impl Arrays {
    /// A matrix that keeps all rules, of `n_rows` by `n_cols`.
    pub fn sound(draw: &mut Draw<'_>, n_rows: usize, n_cols: usize, kind: Kind) -> Self {
        let rows: Vec<Vec<i32>> = if n_rows * n_cols > 400 && draw.once_in(4) {
            // Many entries, out of a seed: kernels cut their work at thousands.
            let (stream, share) = (draw.stream(), f64::from(draw.any::<u8>()) / 256.0);
            let drawn =
                |row: usize, col: usize| stream.open_unit((row * n_cols + col) as u64) < share.powi(2);
            (0..n_rows)
                .map(|row| (0..n_cols).filter(|&col| drawn(row, col)).map(|col| col as i32).collect())
                .collect()
        } else {
            (0..n_rows)
                .map(|_| {
                    let mut row: Vec<i32> =
                        (0..draw.upto(7.min(n_cols))).map(|_| draw.upto(n_cols - 1) as i32).collect();
                    row.sort_unstable();
                    row.dedup();
                    row
                })
                .collect()
        };
        let mut indptr = vec![0i64];
        indptr.extend(rows.iter().scan(0, |total, row| {
            *total += row.len() as i64;
            Some(*total)
        }));
        let indices = rows.concat();
        let values =
            if draw.once_in(3) { vec![1.0; indices.len()] } else { draw.numbers(indices.len(), kind) };
        let indptr = if draw.any() {
            Pointers::Wide(indptr)
        } else {
            Pointers::Narrow(indptr.into_iter().map(|pointer| pointer as i32).collect())
        };
        Self { indptr, indices, values, n_cols }
    }

    /// The same, with something wrong once in four times.
    pub fn any(draw: &mut Draw<'_>, n_rows: usize, n_cols: usize, kind: Kind) -> Self {
        let mut made = Self::sound(draw, n_rows, n_cols, kind);
        while draw.once_in(4) {
            made.spoil(draw);
        }
        made
    }

    fn spoil(&mut self, draw: &mut Draw<'_>) {
        match draw.upto(7) {
            0 => match &mut self.indptr {
                Pointers::Narrow(pointers) => spoil_one(pointers, draw),
                Pointers::Wide(pointers) => spoil_one(pointers, draw),
            },
            1 => match &mut self.indptr {
                Pointers::Narrow(pointers) => drop(pointers.pop()),
                Pointers::Wide(pointers) => drop(pointers.pop()),
            },
            2 => spoil_one(&mut self.indices, draw),
            3 => drop(self.indices.pop()),
            4 => drop(self.values.pop()),
            5 => self.n_cols = draw.count(40),
            6 => {
                let len = self.indices.len();
                if len > 1 {
                    self.indices.swap(draw.upto(len - 1), draw.upto(len - 1));
                }
            }
            _ => self.values.push(draw.any()),
        }
    }

    pub fn indptr(&self) -> Indptr<'_> {
        match &self.indptr {
            Pointers::Narrow(pointers) => Indptr::Narrow(pointers),
            Pointers::Wide(pointers) => Indptr::Wide(pointers),
        }
    }

    pub fn pattern(&self) -> Result<Pattern<'_>, Error> {
        Pattern::new(self.indptr(), &self.indices, self.n_cols)
    }

    pub fn csr(&self) -> Result<Csr<'_>, Error> {
        Csr::new(self.pattern()?, &self.values)
    }

    pub fn matrix(&self) -> Result<Matrix<'_>, Error> {
        Matrix::new(self.indptr(), &self.indices, &self.values, self.n_cols)
    }

    fn pointers(&self) -> Vec<i64> {
        match &self.indptr {
            Pointers::Narrow(pointers) => pointers.iter().map(|&pointer| pointer.into()).collect(),
            Pointers::Wide(pointers) => pointers.clone(),
        }
    }

    /// Whether pointers ascend from nothing to all entries, and columns are columns: what a product asks for.
    pub fn is_usable(&self) -> bool {
        let pointers = self.pointers();
        pointers.first() == Some(&0)
            && pointers.last() == Some(&(self.indices.len() as i64))
            && pointers.windows(2).all(|pair| pair[0] <= pair[1])
            && self.indices.iter().all(|&col| col >= 0 && (col as usize) < self.n_cols)
    }

    /// Whether, besides, columns ascend within each row and can be counted.
    pub fn is_sound(&self) -> bool {
        let ascends = |row: &[i64]| {
            self.indices[row[0] as usize..row[1] as usize].windows(2).all(|pair| pair[0] < pair[1])
        };
        self.n_cols <= MOST && self.is_usable() && self.pointers().windows(2).all(ascends)
    }

    /// Row by row; only of a sound matrix.
    pub fn rows(&self) -> Vec<BTreeMap<usize, f32>> {
        let row = |pair: &[i64]| {
            (pair[0] as usize..pair[1] as usize)
                .map(|at| (self.indices[at] as usize, self.values[at]))
                .collect()
        };
        self.pointers().windows(2).map(row).collect()
    }
}

fn spoil_one<T: Copy + Default + for<'a> arbitrary::Arbitrary<'a>>(of: &mut [T], draw: &mut Draw<'_>) {
    if !of.is_empty() {
        let at = draw.upto(of.len() - 1);
        of[at] = draw.any_owned();
    }
}

impl Draw<'_> {
    fn any_owned<T: Default + for<'b> arbitrary::Arbitrary<'b>>(&mut self) -> T {
        self.any()
    }
}

/// The rows of a result, which must keep all rules of a matrix of `n_cols` columns.
pub fn rows_of(found: &OwnedCsr, n_cols: usize) -> Vec<BTreeMap<usize, f32>> {
    let arrays = Arrays {
        indptr: Pointers::Wide(found.indptr.clone()),
        indices: found.indices.clone(),
        values: found.values.clone(),
        n_cols,
    };
    assert!(arrays.is_sound() && found.values.len() == found.indices.len(), "no matrix: {found:?}");
    arrays.rows()
}
