use super::*;
use crate::kernels::interactions::interactions;
use crate::kernels::rng::Stream;

/// Interactions with popular items, some items of nobody.
fn taken(n_users: usize, n_items: usize, n: usize) -> OwnedCsr {
    let stream = Stream::new(3, 0);
    let draw = |at: usize, of: usize| (stream.open_unit(at as u64).powi(2) * of as f64) as i32;
    let (users, items): (Vec<i32>, Vec<i32>) =
        (0..n).map(|at| (draw(2 * at, n_users), draw(2 * at + 1, n_items - 2))).unzip();
    interactions(&users, &items, n_users, n_items, &Cancel::new()).unwrap()
}

/// A content matrix with entries on the diagonal, of either sign, not symmetric.
fn content(n_items: usize) -> OwnedCsr {
    let stream = Stream::new(4, 0);
    let mut made = OwnedCsr { indptr: vec![0], ..OwnedCsr::default() };
    for row in 0..n_items {
        for column in (0..n_items).filter(|column| (row + 2 * column) % 5 < 2) {
            made.indices.push(column as i32);
            made.values.push((stream.open_unit((row * n_items + column) as u64) - 0.4) as f32);
        }
        made.indptr.push(made.indices.len() as i64);
    }
    made
}

fn dense(matrix: &OwnedCsr, n_cols: usize) -> Vec<Vec<f64>> {
    let view = matrix.view(n_cols);
    (0..view.pattern.n_rows())
        .map(|row| {
            let mut out = vec![0.0; n_cols];
            let (columns, values) = view.row(row);
            columns.iter().zip(values).for_each(|(&column, &value)| out[column as usize] = value.into());
            out
        })
        .collect()
}

/// Gauss's elimination with pivots, in `f64`.
fn eliminate(mut a: Vec<Vec<f64>>, mut b: Vec<f64>) -> Vec<f64> {
    let n = b.len();
    for k in 0..n {
        let best = (k..n).max_by(|&i, &j| a[i][k].abs().total_cmp(&a[j][k].abs())).unwrap();
        a.swap(k, best);
        b.swap(k, best);
        for i in k + 1..n {
            let factor = a[i][k] / a[k][k];
            let pivot_row = a[k].clone();
            a[i][k..].iter_mut().zip(&pivot_row[k..]).for_each(|(x, y)| *x -= factor * y);
            b[i] -= factor * b[k];
        }
    }
    for k in (0..n).rev() {
        let known: f64 = (k + 1..n).map(|j| a[k][j] * b[j]).sum();
        b[k] = (b[k] - known) / a[k][k];
    }
    b
}

/// The model by its definition.
fn oracle(train: &OwnedCsr, n_items: usize, content: Option<&OwnedCsr>, options: Options) -> Vec<Vec<f64>> {
    let x = dense(train, n_items);
    let s = content.map(|content| dense(content, n_items));
    let shared = |a: usize, b: usize| x.iter().map(|row| row[a] * row[b]).sum::<f64>();
    let g: Vec<Vec<f64>> = (0..n_items).map(|a| (0..n_items).map(|b| shared(a, b)).collect()).collect();
    let weight = if s.is_some() { options.content_weight } else { 0.0 };
    let mut out = vec![vec![0.0; n_items]; n_items];
    for j in 0..n_items {
        let right = |c: usize| g[c][j] + s.as_ref().map_or(0.0, |s| weight * s[c][j]);
        let mut items: Vec<usize> = (0..n_items).filter(|&c| c != j).collect();
        if items.iter().all(|&c| right(c) == 0.0) {
            continue;
        }
        items.sort_by(|&a, &b| (right(b).abs() as f32).total_cmp(&(right(a).abs() as f32)));
        items.truncate(options.support);
        if options.support + 1 < n_items {
            items.retain(|&c| right(c) != 0.0);
        }
        let system = items
            .iter()
            .map(|&a| {
                items.iter().map(|&b| g[a][b] + if a == b { options.ridge + weight } else { 0.0 }).collect()
            })
            .collect();
        let found = eliminate(system, items.iter().map(|&c| right(c)).collect());
        items.iter().zip(found).for_each(|(&c, b)| out[c][j] = b);
    }
    out
}

fn options(support: usize) -> Options {
    Options { ridge: 2.0, content_weight: 3.0, support }
}

fn close(found: &OwnedCsr, expected: &[Vec<f64>]) {
    for (row, (found, expected)) in dense(found, expected.len()).iter().zip(expected).enumerate() {
        for (column, (a, b)) in found.iter().zip(expected).enumerate() {
            assert!((a - b).abs() < 2e-5, "({row}, {column}): {a}, expected {b}");
        }
    }
}

#[test]
fn equals_the_definition_on_every_path_and_with_any_table() {
    let (n_users, n_items, n) = if cfg!(miri) { (12, 10, 60) } else { (60, 45, 700) };
    let (train, content) = (taken(n_users, n_items, n), content(n_items));
    for support in if cfg!(miri) { vec![1, 7] } else { vec![1, 7, 16, 31, 44, 1000] } {
        for content in [None, Some(&content)] {
            let expected = oracle(&train, n_items, content, options(support));
            let view = content.map(|content| content.view(n_items));
            let solve = |popular, path| {
                with_table(train.view(n_items), view, options(support), popular, path, &Cancel::new())
                    .unwrap()
            };
            let first = solve(0, Path::Portable);
            close(&first, &expected);
            for path in Path::available() {
                for popular in [0, 9, 45] {
                    assert_eq!(solve(popular, path), first, "{path:?}, table of {popular}");
                }
            }
        }
    }
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let train = if cfg!(miri) { taken(30, 120, 150) } else { taken(300, 120, 4000) };
    let solve = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| with_table(train.view(120), None, options(50), 20, Path::Portable, &Cancel::new()))
    };
    let first = solve(1).unwrap();
    assert_eq!(solve(2).unwrap(), first);
    assert_eq!(solve(5).unwrap(), first);
}

#[test]
fn systems_of_any_size_have_the_same_bits_on_every_path() {
    let stream = Stream::new(6, 0);
    let draw = |at: usize| stream.open_unit(at as u64) as f32 - 0.3;
    let sizes: Vec<usize> =
        if cfg!(miri) { vec![1, 2, 17] } else { (1..40).chain([63, 64, 65, 130]).collect() };
    for n in sizes {
        let shape = Shape { n };
        let factors: Vec<f32> = (0..n * n).map(draw).collect();
        let mut original = vec![[0.0; 16]; shape.len().unwrap()];
        for column in 0..n {
            for row in column..n {
                let sum: f32 = (0..n).map(|k| factors[row * n + k] * factors[column * n + k]).sum();
                let a = if row == column { sum + 1.0 } else { sum };
                original[column * shape.stride()..].as_flattened_mut()[row] = -a;
            }
            original[column * shape.stride()..].as_flattened_mut()[n] = -draw(n * n + column);
        }
        let solve = |path: Path| {
            let mut matrix = original.clone();
            let (mut inverses, mut solution) = (vec![0.0; n + 8], vec![[0.0; 16]; shape.stride()]);
            let sound = path.run(Solve {
                shape,
                matrix: &mut matrix,
                inverses: &mut inverses,
                solution: &mut solution,
                least_pivot: 0.5,
                cancel: &Cancel::new(),
            });
            assert_eq!(sound, Ok(true));
            solution.as_flattened()[..n].iter().map(|x| x.to_bits()).collect::<Vec<_>>()
        };
        let first = solve(Path::Portable);
        for path in Path::available() {
            assert_eq!(solve(path), first, "{n}, {path:?}");
        }
        let diagonal = |at: usize| -f64::from(original[at * shape.stride()..].as_flattened()[at]);
        let exact = solve_double(shape, &original, diagonal, &Cancel::new()).unwrap().unwrap();
        for (found, exact) in first.iter().zip(exact) {
            assert!((f64::from(f32::from_bits(*found)) - exact).abs() < 1e-4 * (1.0 + exact.abs()), "{n}");
        }
    }
}

#[test]
fn equal_right_hand_sides_go_to_the_lower_item() {
    // Item 0 shares one user with each of the others, but only two may be in its support. Item 4 is more popular.
    let users = [0, 0, 0, 0, 0, 1, 2];
    let items = [0, 1, 2, 3, 4, 4, 4];
    let train = interactions(&users, &items, 3, 5, &Cancel::new()).unwrap();
    let found = with_table(train.view(5), None, options(2), 1, Path::Portable, &Cancel::new()).unwrap();
    let columns: Vec<usize> =
        dense(&found, 5).iter().map(|row| row.iter().filter(|&&x| x != 0.0).count()).collect();
    assert_eq!(columns, [4, 4, 2, 0, 0]);
}

#[test]
fn little_or_nothing_gives_an_empty_matrix() {
    for (n_users, n_items) in [(0, 0), (3, 0), (0, 3), (2, 1)] {
        let users: Vec<i32> = (0..n_users.min(n_items * 9) as i32).collect();
        let train = interactions(&users, &vec![0; users.len()], n_users, n_items, &Cancel::new()).unwrap();
        let found =
            local_ridge(train.view(n_items), None, options(5), Path::Portable, &Cancel::new()).unwrap();
        assert_eq!((found.indptr.len(), found.indices.len()), (n_items + 1, 0));
    }
}

#[test]
#[cfg_attr(miri, ignore = "too long for an interpreter")]
fn a_user_with_a_long_history_is_searched_and_counted_alike() {
    // User 0 has everything, more than LONG items for one of the support.
    let n_items = 200;
    let mut users = vec![0; n_items];
    let mut items: Vec<i32> = (0..n_items as i32).collect();
    for pair in 0..600 {
        users.push(1 + pair % 40);
        items.push((pair * pair + pair / 7) % n_items as i32);
    }
    let train = interactions(&users, &items, 41, n_items, &Cancel::new()).unwrap();
    let found = with_table(train.view(n_items), None, options(6), 0, Path::Portable, &Cancel::new()).unwrap();
    close(&found, &oracle(&train, n_items, None, options(6)));
}

#[test]
#[cfg_attr(miri, ignore = "too long for an interpreter")]
fn large_counts_with_a_small_ridge_are_solved_in_double() {
    // Two items that 300,000 users share and one that tells them apart: f32 knows no pivot of 0.01 beside such counts.
    let n = 300_000;
    let users: Vec<i32> = (0..n).chain(0..n).chain(0..n - 1).collect();
    let items: Vec<i32> = (0..3 * n - 1).map(|pair| pair / n).collect();
    let train = interactions(&users, &items, n as usize, 3, &Cancel::new()).unwrap();
    let options = Options { ridge: 1e-2, ..options(2) };
    let found = local_ridge(train.view(3), None, options, Path::Portable, &Cancel::new()).unwrap();
    let d = f64::from(n) + 1e-2;
    let expected = eliminate(
        vec![vec![d, f64::from(n - 1)], vec![f64::from(n - 1), d - 1.0]],
        vec![f64::from(n), f64::from(n - 1)],
    );
    let found = dense(&found, 3);
    assert!((found[1][0] - expected[0]).abs() < 1e-5, "{found:?}, {expected:?}");
    assert!((found[2][0] - expected[1]).abs() < 1e-5, "{found:?}, {expected:?}");
    let hopeless = Options { ridge: 1e-12, ..options };
    assert!(local_ridge(train.view(3), None, hopeless, Path::Portable, &Cancel::new()).is_err());
}

#[test]
fn the_largest_support_is_all_items() {
    let (train, content) = (taken(12, 10, 30), content(10));
    let solve = |support| {
        local_ridge(train.view(10), Some(content.view(10)), options(support), Path::Portable, &Cancel::new())
    };
    assert_eq!(solve(usize::MAX).unwrap(), solve(9).unwrap());
}

#[test]
fn numbers_beyond_float32_give_weights_in_its_range_or_an_error() {
    let n_items = 12;
    let (train, mut content) = (taken(20, n_items, 60), content(n_items));
    let solve = |content: &OwnedCsr, options, path| {
        let content = Some(content.view(n_items));
        local_ridge(train.view(n_items), content, options, path, &Cancel::new())
    };
    let most = f64::from(f32::MAX);
    // The diagonal, the sum of both, is infinite in float32.
    let beyond = Options { ridge: most, content_weight: most, support: 5 };
    let first = solve(&content, beyond, Path::Portable).unwrap();
    assert!(first.values.iter().all(|weight| weight.is_finite()) && first.values.iter().any(|&w| w != 0.0));
    for path in Path::available() {
        assert_eq!(solve(&content, beyond, path).unwrap(), first);
    }
    content.values.fill(f32::MAX);
    let heavy = Options { ridge: 1.0, content_weight: 1e6, support: 5 };
    for path in Path::available() {
        let said = solve(&content, heavy, path).unwrap_err().to_string();
        assert!(said.contains("too large for float32"), "{said}");
    }
}

#[test]
fn wrong_input_is_refused() {
    let train = taken(20, 6, 40);
    let with = |content: Option<&OwnedCsr>, width, options| {
        let content = content.map(|content| content.view(width));
        local_ridge(train.view(6), content, options, Path::Portable, &Cancel::new())
    };
    let good = options(3);
    assert!(with(None, 6, good).is_ok());
    for wrong in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(with(None, 6, Options { ridge: wrong, ..good }).is_err(), "{wrong}");
        assert!(with(None, 6, Options { content_weight: wrong - 1.0, ..good }).is_err(), "{wrong}");
    }
    assert!(with(None, 6, options(0)).is_err());
    let mut s = content(6);
    assert!(with(Some(&s), 7, good).is_err());
    s.values[3] = f32::NAN;
    let refused = with(Some(&s), 6, good).unwrap_err().to_string();
    assert!(refused.contains("row") && refused.contains("NaN"), "{refused}");
    let stopped = Cancel::new();
    stopped.raise();
    assert_eq!(local_ridge(train.view(6), None, good, Path::Portable, &stopped), Err(Error::Cancelled));
}
