//! `local_ridge`: the columns of the result solve their systems.

use crate::draw::{Draw, Kind};
use crate::kernels::cancel::Cancel;
use crate::kernels::ridge::{Options, local_ridge};
use crate::matrix::{Arrays, rows_of};
use crate::same::{on_paths, refused};

pub fn ridge(data: &[u8]) {
    let draw = &mut Draw::new(data);
    let large = draw.once_in(8);
    let (n_users, n_items) =
        if large { (draw.upto(80), draw.upto(60)) } else { (draw.upto(12), draw.upto(14)) };
    let train = Arrays::sound(draw, n_users, n_items, Kind::Any);
    let kind = draw.kind();
    let (rows, cols) = (draw.about(n_items), draw.about(n_items));
    let content = draw.any::<bool>().then(|| Arrays::sound(draw, rows, cols, kind));
    let weight =
        |draw: &mut Draw<'_>| if draw.once_in(8) { draw.any() } else { f64::from(draw.any::<u16>()) / 256.0 };
    let options = Options { ridge: weight(draw), content_weight: weight(draw), support: draw.count(20) };
    let found = on_paths(|path| {
        let content = content.as_ref().map(Arrays::csr).transpose()?;
        local_ridge(train.csr()?, content, options, path, &Cancel::new())
    });
    let most = f64::from(f32::MAX);
    let positive = |number: f64| number > 0.0 && number <= most;
    let wrong = !positive(options.ridge)
        || !(positive(options.content_weight) || options.content_weight == 0.0)
        || options.support == 0
        || content.as_ref().is_some_and(|content| {
            (rows, cols) != (n_items, n_items) || !content.values.iter().all(|value| value.is_finite())
        });
    if wrong {
        return refused(&found, true);
    }
    let found = match found {
        Ok(found) => rows_of(&found, n_items),
        // A system may be singular in all numbers there are, but not where the diagonal is of a usual size.
        Err(error) => {
            let usual = (1e-3..1e6).contains(&options.ridge) && options.content_weight < 1e6;
            assert!(!usual || matches!(kind, Kind::Finite | Kind::Any), "{error}");
            return refused(&Err::<(), _>(error), true);
        }
    };
    for (row, entries) in found.iter().enumerate() {
        assert!(!entries.contains_key(&row), "item {row} speaks for itself");
        assert!(entries.values().all(|value| value.is_finite()), "row {row} holds {entries:?}");
    }
    for column in 0..n_items {
        let n = found.iter().filter(|row| row.contains_key(&column)).count();
        assert!(n <= options.support, "{n} items speak for item {column}");
    }
    // What is left of each equation, where numbers are of a usual size.
    if options.ridge < 0.1
        || options.ridge.max(options.content_weight) > 1e3
        || matches!(kind, Kind::Finite | Kind::Any)
    {
        return;
    }
    let taken = train.rows();
    let shared = |a: usize, b: usize| {
        taken.iter().filter(|row| row.contains_key(&a) && row.contains_key(&b)).count() as f64
    };
    let counts: Vec<Vec<f64>> = (0..n_items).map(|a| (0..n_items).map(|b| shared(a, b)).collect()).collect();
    let says = content.as_ref().map(Arrays::rows);
    let weight = if says.is_some() { options.content_weight } else { 0.0 };
    for column in 0..n_items {
        let support: Vec<usize> = (0..n_items).filter(|&row| found[row].contains_key(&column)).collect();
        for &row in &support {
            let own = |other: usize| f64::from(found[other][&column]);
            let said = says.as_ref().and_then(|says| says[row].get(&column)).map_or(0.0, |&x| f64::from(x));
            let right = counts[row][column] + weight * said;
            let left: f64 = support.iter().map(|&other| counts[row][other] * own(other)).sum();
            let left = left + (options.ridge + weight) * own(row);
            let size: f64 = support.iter().map(|&other| counts[row][other] * own(other).abs()).sum();
            let close = 1e-3 * (1.0 + right.abs() + size + (options.ridge + weight) * own(row).abs());
            assert!((left - right).abs() <= close, "row {row}, column {column}: {left}, not {right}");
        }
    }
}
