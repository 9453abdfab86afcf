//! `interactions`, with indices of both widths; and the number of threads, which is one number.

use std::collections::BTreeSet;

use crate::draw::Draw;
use crate::kernels::cancel::Cancel;
use crate::kernels::csr::OwnedCsr;
use crate::kernels::interactions::interactions as make;
use crate::kernels::memory::MOST;
use crate::pool;
use crate::same::{check, on_threads, refused};

pub fn interactions(data: &[u8]) {
    let draw = &mut Draw::new(data);
    let threads = draw.count(4097);
    refused(&pool::set_num_threads(threads), threads == 0 || threads > 4096);
    let (n_users, n_items) = (draw.count(40), draw.count(40));
    let (users, items): (Vec<i32>, Vec<i32>) = if draw.once_in(8) && n_users.min(n_items) > 0 {
        let (n, stream) = (draw.any::<u16>() as u64, draw.stream());
        let below = |at, n: usize| (stream.open_unit(at) * n.min(40) as f64) as i32;
        (0..n).map(|at| (below(2 * at, n_users), below(2 * at + 1, n_items))).unzip()
    } else {
        let n = draw.upto(60);
        let others = draw.about(n);
        (draw.indices(n, n_users.min(40)), draw.indices(others, n_items.min(40)))
    };
    let outside = |of: &[i32], n: usize| of.iter().any(|&at| at < 0 || at as usize >= n);
    let wrong = users.len() != items.len()
        || n_users.max(n_items) > MOST
        || outside(&users, n_users)
        || outside(&items, n_items);
    let found = on_threads(|| make(&users, &items, n_users, n_items, &Cancel::new()));
    refused(&found, wrong);
    // Wide indices may be further outside than narrow ones.
    let wide = |of: &[i32]| of.iter().map(|&at| i64::from(at)).collect::<Vec<_>>();
    let (mut wide_users, wide_items) = (wide(&users), wide(&items));
    let found_wide = on_threads(|| make(&wide_users, &wide_items, n_users, n_items, &Cancel::new()));
    refused(&found_wide, wrong);
    if let (Ok(found), Ok(found_wide)) = (found, found_wide) {
        check(&found, &found_wide);
        let pairs: BTreeSet<(i32, i32)> = users.iter().copied().zip(items).collect();
        let mut expected = OwnedCsr { indptr: vec![0], ..OwnedCsr::default() };
        let mut pairs = pairs.into_iter().peekable();
        for user in 0..n_users as i32 {
            while let Some((_, item)) = pairs.next_if(|pair| pair.0 == user) {
                expected.indices.push(item);
                expected.values.push(1.0);
            }
            expected.indptr.push(expected.indices.len() as i64);
        }
        check(&found, &expected);
    }
    if let Some(user) = wide_users.first_mut() {
        *user = draw.any();
        let outside = wrong || *user < 0 || *user as u64 >= n_users as u64;
        let found = on_threads(|| make(&wide_users, &wide_items, n_users, n_items, &Cancel::new()));
        if outside {
            refused(&found.map(|_| ()), true);
        }
    }
}
