use super::*;
use crate::kernels::cancel::Cancel;
use crate::kernels::csr::{Indptr, Pattern};
use crate::kernels::propagate::{Matrix, multiply};
use crate::kernels::rank::{NO_ITEM, Places, Vectors, dot_rows, rank_scores};
use crate::kernels::rng::Stream;
use crate::kernels::simd::Path;
use crate::kernels::sparse_rows::sparse_rows;

const WIDTH: usize = 5;
const EXPERTS: usize = 4;

/// A sparse matrix of random numbers.
struct Sparse {
    indptr: Vec<i32>,
    indices: Vec<i32>,
    values: Vec<f32>,
    n_cols: usize,
}

impl Sparse {
    fn new(n_rows: usize, n_cols: usize, density: f64, seed: u64) -> Self {
        let stream = Stream::new(seed, 1);
        let (mut indptr, mut indices) = (vec![0], Vec::new());
        for row in 0..n_rows {
            let kept = (0..n_cols).filter(|&col| stream.open_unit((row * n_cols + col) as u64) < density);
            indices.extend(kept.map(|col| col as i32));
            indptr.push(indices.len() as i32);
        }
        let values = normal(indices.len(), seed);
        Self { indptr, indices, values, n_cols }
    }

    fn view(&self) -> Matrix<'_> {
        Matrix::new(Indptr::Narrow(&self.indptr), &self.indices, &self.values, self.n_cols).unwrap()
    }

    /// The rows of some users.
    fn of(&self, users: &[i32]) -> Self {
        let (mut indptr, mut indices, mut values) = (vec![0], Vec::new(), Vec::new());
        for &user in users {
            let own = self.indptr[user as usize] as usize..self.indptr[user as usize + 1] as usize;
            indices.extend_from_slice(&self.indices[own.clone()]);
            values.extend_from_slice(&self.values[own]);
            indptr.push(indices.len() as i32);
        }
        Self { indptr, indices, values, n_cols: self.n_cols }
    }
}

fn normal(n: usize, seed: u64) -> Vec<f32> {
    let stream = Stream::new(seed, 0);
    (0..n as u64).map(|i| 4.0 * stream.open_unit(i) as f32 - 2.0).collect()
}

/// A state with a cue of each kind.
struct Case {
    tables: [Vec<f32>; 2],
    history: Sparse,
    sparse: Sparse,
    dense: Vec<f32>,
    logits: [Vec<f32>; 2],
    roles: Vec<f32>,
    compress: bool,
    users: Vec<i32>,
    /// `(B, I)`.
    rows: Vec<f32>,
    k: usize,
}

impl Case {
    /// `kinds` different rows of item logits; users are asked for in descending order, the last one twice.
    fn new(n_users: usize, n_items: usize, kinds: usize, k: usize) -> Self {
        let mut users: Vec<i32> = (0..n_users as i32).rev().collect();
        users.push(n_users as i32 - 1);
        let of_kinds = normal(kinds * EXPERTS, 4);
        let of_items = (0..n_items).flat_map(|item| of_kinds[item % kinds * EXPERTS..][..EXPERTS].to_vec());
        Self {
            tables: [normal(n_users * WIDTH, 1), normal(n_items * WIDTH, 2)],
            history: Sparse::new(n_users, n_items, 0.2, 5),
            sparse: Sparse::new(n_items, n_items, 0.1, 6),
            dense: normal(n_items * n_items, 7),
            logits: [normal(n_users * EXPERTS, 3), of_items.collect()],
            roles: normal(EXPERTS * 3, 8),
            compress: true,
            rows: normal(users.len() * n_items, 9),
            users,
            k,
        }
    }

    /// Users of whom one cannot guess by another where their lists end: some without a base, and rows of every size, some
    /// of them too small for a bound, or far from zero.
    fn uneven(mut self) -> Self {
        for (user, vector) in self.tables[0].chunks_exact_mut(WIDTH).enumerate() {
            let size = [1.0, 0.0, 1e-20][user % 3];
            vector.iter_mut().for_each(|x| *x *= size);
        }
        let n_items = self.n_items();
        for (at, row) in self.rows.chunks_exact_mut(n_items).enumerate() {
            let (size, shift) = [(1.0, 0.0), (1e-42, 0.0), (1e-3, 1e4), (0.0, 7.0), (1e30, 0.0)][at % 5];
            row.iter_mut().for_each(|x| *x = x.mul_add(size, shift));
            // One item far above all others.
            row[at % n_items] += 50.0 * size;
        }
        self
    }

    fn n_items(&self) -> usize {
        self.history.n_cols
    }

    fn vectors(&self) -> Vectors<'_> {
        Vectors { users: &self.tables[0], items: &self.tables[1], width: WIDTH }
    }

    fn gate<'a>(&'a self, user_logits: &'a [f32]) -> Gate<'a> {
        let [_, item_logits] = &self.logits;
        Gate { user_logits, item_logits, roles: &self.roles, n: EXPERTS, weight: 0.7, top: 2 }
    }

    fn seen(&self) -> Pattern<'_> {
        Pattern::new(Indptr::Narrow(&self.history.indptr), &self.history.indices, self.n_items()).unwrap()
    }

    fn rank(&self, masked: bool, path: Path, cancel: &Cancel) -> Result<(Vec<i32>, Vec<u32>), Error> {
        let (mut items, mut scores) = self.room();
        let cues = [Cue::Sparse(self.sparse.view()), Cue::Rows(&self.rows), Cue::Dense(&self.dense)];
        let blend = Blend {
            vectors: self.vectors(),
            histories: self.history.view(),
            cues: &cues,
            gate: self.gate(&self.logits[0]),
            compress: self.compress,
        };
        let seen = masked.then(|| self.seen());
        let places = Places { items: &mut items, scores: &mut scores, k: self.k };
        rank_blend(blend, &self.users, seen, places, path, cancel)?;
        Ok((items, scores.iter().map(|score| score.to_bits()).collect()))
    }

    fn room(&self) -> (Vec<i32>, Vec<f32>) {
        (vec![7; self.users.len() * self.k], vec![f32::NAN; self.users.len() * self.k])
    }

    /// The same, one kernel after the other.
    fn by_steps(&self, masked: bool) -> (Vec<i32>, Vec<u32>) {
        let (path, cancel, n_items) = (Path::Portable, &Cancel::new(), self.n_items());
        let size = self.users.len() * n_items;
        let (mut base, mut cues, mut out) = (vec![0.0; size], vec![0.0; 3 * size], vec![0.0; size]);
        dot_rows(&self.vectors(), &self.users, &mut base, path, cancel).unwrap();
        let own = self.history.of(&self.users);
        sparse_rows(own.view(), self.sparse.view(), &mut cues[..size], cancel).unwrap();
        cues[size..2 * size].copy_from_slice(&self.rows);
        multiply(own.view(), &self.dense, n_items, &mut cues[2 * size..], path, cancel).unwrap();
        let logits =
            self.users.iter().flat_map(|&user| &self.logits[0][user as usize * EXPERTS..][..EXPERTS]);
        let logits: Vec<f32> = logits.copied().collect();
        let signals = Signals {
            base: &base,
            cues: &cues,
            n_rows: self.users.len(),
            n_items,
            n_cues: 3,
            compress: self.compress,
        };
        blend_scores(signals, self.gate(&logits), &mut out, path, cancel).unwrap();
        let (mut items, mut scores) = self.room();
        let places = Places { items: &mut items, scores: &mut scores, k: self.k };
        rank_scores(&out, n_items, &self.users, masked.then(|| self.seen()), places, path, cancel).unwrap();
        (items, scores.iter().map(|score| score.to_bits()).collect())
    }
}

#[test]
#[cfg_attr(miri, ignore = "too long for an interpreter")]
fn lists_are_those_of_one_kernel_after_the_other_to_the_bit() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    // More users than a block has, more kinds than a vector or a byte can tell apart, and lists longer than the catalogue.
    for [n_users, n_items, kinds, k] in
        [[101, 67, 3, 5], [3, 333, 20, 40], [2, 333, 333, 10], [50, 16, 16, 1], [2, 1, 1, 3], [4, 15, 2, 30]]
    {
        let each = || Case::new(n_users, n_items, kinds, k);
        for case in [
            each(),
            each().uneven(),
            Case { compress: false, ..each() },
            Case { compress: false, ..each().uneven() },
        ] {
            for masked in [true, false] {
                let expected = case.by_steps(masked);
                for path in Path::available() {
                    assert_eq!(case.rank(masked, path, &Cancel::new()).unwrap(), expected, "{path:?}");
                    let found = pool.install(|| case.rank(masked, path, &Cancel::new()));
                    assert_eq!(found.unwrap(), expected, "{path:?}");
                }
            }
        }
    }
}

#[test]
fn places_without_an_item_are_marked() {
    let case = Case::new(2, 3, 1, 5);
    let (items, scores) = case.rank(false, Path::Portable, &Cancel::new()).unwrap();
    assert!(items.chunks(5).all(|items| items[3..] == [NO_ITEM; 2] && items[..3].iter().all(|&i| i >= 0)));
    assert!(scores.chunks(5).all(|scores| scores[3..] == [f32::NEG_INFINITY.to_bits(); 2]));
}

#[test]
fn the_first_user_with_a_score_that_is_not_finite_is_named() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    let mut case = Case::new(120, 20, 2, 3);
    // Users come in descending order.
    for at in [70, 55, 110] {
        case.rows[at * 20 + 13] = f32::NAN;
    }
    for path in Path::available() {
        let error = pool.install(|| case.rank(true, path, &Cancel::new())).unwrap_err().to_string();
        assert!(error.contains("cue 1 of user 64 has NaN for item 13"), "{error}");
    }
    case.tables[0][5 * WIDTH] = f32::INFINITY;
    case.users = vec![4, 5];
    case.rows.truncate(2 * 20);
    let error = case.rank(true, Path::Portable, &Cancel::new()).unwrap_err().to_string();
    assert!(error.contains("base of user 5 has"), "{error}");
}

#[test]
fn what_does_not_fit_is_refused_and_a_raised_flag_stops() {
    let refused = |change: &dyn Fn(&mut Case)| {
        let mut case = Case::new(4, 20, 2, 3);
        change(&mut case);
        case.rank(true, Path::Portable, &Cancel::new()).unwrap_err().to_string()
    };
    assert!(refused(&|case| case.dense.truncate(5)).contains("cue 2 must fit 20 items"));
    assert!(refused(&|case| case.rows.truncate(5)).contains("cue 1 must fit 20 items"));
    assert!(refused(&|case| case.sparse = Sparse::new(20, 21, 0.1, 0)).contains("cue 0 must fit 20 items"));
    assert!(refused(&|case| case.history = Sparse::new(3, 20, 0.1, 0)).contains("histories"));
    assert!(refused(&|case| case.users[1] = 4).contains("outside 0..4"));
    assert!(refused(&|case| case.roles.truncate(5)).contains("roles"));
    assert!(refused(&|case| case.logits[0].truncate(5)).contains("user logits"));
    let mut nobody = Case::new(4, 20, 2, 3);
    nobody.users.clear();
    nobody.rows.clear();
    nobody.k = 1 << 60;
    assert_eq!(
        nobody.rank(true, Path::Portable, &Cancel::new()),
        Ok((vec![], vec![])),
        "any number of places"
    );
    let cancel = Cancel::new();
    cancel.raise();
    assert_eq!(Case::new(4, 20, 2, 3).rank(true, Path::Portable, &cancel), Err(Error::Cancelled));
}
