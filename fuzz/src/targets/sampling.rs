//! `sample_negatives`, `sample_shared` and `membership`.

use crate::draw::{Draw, Kind};
use crate::kernels::cancel::Cancel;
use crate::kernels::error::Error;
use crate::kernels::memory::{MOST, countable, zeros};
use crate::kernels::rng::Stream;
use crate::kernels::sampling::{Source, membership, sample, sample_shared};
use crate::matrix::Arrays;
use crate::same::{check, on_paths, on_threads, refused};

pub fn sampling(data: &[u8]) {
    let draw = &mut Draw::new(data);
    let (n_users, n_cols) = (draw.upto(20), draw.upto(30));
    let n_items = if draw.once_in(16) { draw.count(30) } else { n_cols };
    let seen = Arrays::any(draw, n_users, n_cols, Kind::Whole);
    let most = if draw.once_in(8) { 5000 } else { 20 };
    let n = draw.upto(most);
    let (few, stream) = (n < 30, draw.stream());
    let random = |at| (stream.open_unit(at) * n_users as f64) as i32;
    let users = if few { draw.indices(n, n_users) } else { (0..n as u64).map(random).collect() };
    let pool = draw.any::<bool>().then(|| pool(draw, n_items.min(40)));
    let n_weights = draw.about(pool.as_ref().map_or(n_items.min(40), Vec::len));
    let kind = draw.kind();
    let weights: Option<Vec<f64>> = draw.any::<bool>().then(|| {
        let heavy = draw.once_in(8);
        let numbers = draw.numbers(n_weights, kind).into_iter();
        let positive = draw.upto(4) > 0;
        numbers
            .map(|x| if positive { f64::from(x).abs() } else { x.into() } * if heavy { 1e290 } else { 1.0 })
            .collect()
    });
    let (stream, first) = (Stream::new(draw.any(), 1), draw.any::<u64>());

    let make = || Source::new(n_items, pool.as_deref(), weights.as_deref());
    let len = pool.as_ref().map_or(n_items, Vec::len);
    let ascending = |pool: &Vec<i32>| {
        pool.is_sorted_by(|a, b| a < b) && pool.iter().all(|&item| item >= 0 && (item as usize) < n_items)
    };
    let weighs = |weights: &Vec<f64>| {
        let total: f64 = weights.iter().sum();
        weights.len() == len && weights.iter().all(|w| *w >= 0.0) && total > 0.0 && total.is_finite()
    };
    let right = len > 0 && pool.as_ref().is_none_or(ascending) && weights.as_ref().is_none_or(weighs);
    refused(&make().map(drop), !right);
    let weight = |item: i32| {
        let slot = pool.as_ref().map_or(Some(item as usize), |pool| pool.iter().position(|&own| own == item));
        slot.map_or(0.0, |slot| weights.as_ref().map_or(1.0, |weights| weights[slot]))
    };

    let n_draws = draw.count(3000);
    let shared = on_threads(|| {
        countable(n_items, "items")?;
        let source = make()?;
        let mut out = zeros(n_draws)?;
        sample_shared(&source, stream, first, &mut out, &Cancel::new())?;
        Ok(out)
    });
    refused(&shared, !right || n_items > MOST || n_draws > 3000);
    if let Ok(shared) = &shared {
        assert!(shared.iter().all(|&item| (0..n_items as i64).contains(&item.into()) && weight(item) > 0.0));
    }

    let negatives = on_paths(|path| {
        let mut out = vec![-7; users.len()];
        sample(seen.pattern()?, &users, &make()?, stream, first, &mut out, path, &Cancel::new())?;
        Ok(out)
    });
    let sound = seen.is_sound() && right && seen.n_cols == n_items;
    let rows = if seen.is_sound() { seen.pattern().expect("a pattern").n_rows() } else { 0 };
    let outside = users.iter().any(|&user| user < 0 || user as usize >= rows);
    if !sound || outside {
        refused(&negatives, true);
    } else {
        let rows = rows_of(&seen);
        let candidates: Vec<i32> = (0..n_items as i32).filter(|&item| weight(item) > 0.0).collect();
        let stuck = |user: &i32| candidates.iter().all(|item| rows[*user as usize].contains(item));
        match &negatives {
            Ok(items) => {
                for (user, item) in users.iter().zip(items) {
                    assert!(
                        candidates.contains(item) && !rows[*user as usize].contains(item),
                        "{user} {item}"
                    );
                }
                // A batch that begins later goes on with the same draws.
                let later = users.len() / 3;
                let rest = on_paths(|path| {
                    let mut out = vec![-7; users.len() - later];
                    let (pattern, first) = (seen.pattern()?, first.wrapping_add(later as u64));
                    sample(
                        pattern,
                        &users[later..],
                        &make()?,
                        stream,
                        first,
                        &mut out,
                        path,
                        &Cancel::new(),
                    )?;
                    Ok(out)
                });
                check(&rest.expect("draws"), &items[later..].to_vec());
            }
            Err(Error::NothingUnseen(named)) => {
                let mut expected: Vec<i32> = users.iter().copied().filter(stuck).collect();
                expected.sort_unstable();
                expected.dedup();
                expected.truncate(10);
                assert_eq!(*named, expected);
            }
            Err(error) => panic!("{error:?}"),
        }
    }

    let n_asked = draw.upto(12);
    let asked = draw.indices(n_asked, seen.n_cols.min(40));
    let n_out = draw.about(users.len() * asked.len());
    let known = on_threads(|| {
        let mut out = vec![true; n_out];
        membership(seen.pattern()?, &users, &asked, &mut out, &Cancel::new())?;
        Ok(out)
    });
    let unknown = asked.iter().any(|&item| item < 0 || item as usize >= seen.n_cols);
    refused(&known, !seen.is_sound() || outside || unknown || n_out != users.len() * asked.len());
    if let Ok(known) = known {
        let rows = rows_of(&seen);
        let each =
            |user: &i32| asked.iter().map(|item| rows[*user as usize].contains(item)).collect::<Vec<_>>();
        check(&known, &users.iter().flat_map(each).collect());
    }
}

fn pool(draw: &mut Draw<'_>, n_items: usize) -> Vec<i32> {
    let n = draw.upto(12);
    let mut pool = draw.indices(n, n_items);
    if !draw.once_in(8) {
        pool.sort_unstable();
        pool.dedup();
    }
    pool
}

fn rows_of(seen: &Arrays) -> Vec<Vec<i32>> {
    let pattern = seen.pattern().expect("a pattern");
    (0..pattern.n_rows()).map(|row| pattern.row(row).to_vec()).collect()
}
