//! The checks of sparse matrices, and what is made of one without arithmetic: `transpose`, `k_core`, `union_max`,
//! `shared_users`, the counts of columns.

use std::collections::BTreeMap;

use crate::draw::Draw;
use crate::kernels::cancel::Cancel;
use crate::kernels::csr::Csr;
use crate::kernels::k_core::k_core;
use crate::kernels::shared_users::shared_users;
use crate::kernels::sparse::{column_counts, union_max};
use crate::kernels::transpose::transpose;
use crate::matrix::{Arrays, rows_of};
use crate::same::{check, on_threads, refused};

type Rows = Vec<BTreeMap<usize, f32>>;

pub fn matrices(data: &[u8]) {
    let draw = &mut Draw::new(data);
    let (n_rows, n_cols, kind) = (draw.upto(40), draw.upto(40), draw.kind());
    let arrays = Arrays::any(draw, n_rows, n_cols, kind);
    refused(&arrays.pattern(), !arrays.is_sound());
    refused(&arrays.csr(), !arrays.is_sound() || arrays.indices.len() != arrays.values.len());
    refused(&arrays.matrix(), !arrays.is_usable() || arrays.indices.len() != arrays.values.len());
    let Ok(csr) = arrays.csr() else { return };
    // A column more costs memory: such widths are checked, and no more.
    if arrays.n_cols > 1000 {
        return;
    }
    let rows = arrays.rows();
    turn(csr, &rows);
    core(csr, &rows, draw.count(5), draw.count(5));
    let (n_rows, n_cols) = (draw.about(rows.len()), draw.about(arrays.n_cols));
    let other = Arrays::sound(draw, n_rows, n_cols, kind);
    unite(csr, &rows, &other);
    let edges = Arrays::sound(draw, n_cols, n_cols, kind);
    share(csr, &rows, &edges);
}

fn turned(rows: &Rows, n_cols: usize) -> Rows {
    let mut turned = vec![BTreeMap::new(); n_cols];
    for (row, entries) in rows.iter().enumerate() {
        for (&col, &value) in entries {
            turned[col].insert(row, value);
        }
    }
    turned
}

fn turn(csr: Csr<'_>, rows: &Rows) {
    let n_cols = csr.pattern.n_cols();
    let found = on_threads(|| transpose(csr, &Cancel::new())).expect("a transpose");
    let expected = turned(rows, n_cols);
    check(&rows_of(&found, rows.len()), &expected);
    let counts =
        on_threads(|| Ok(column_counts(csr.pattern).into_iter().map(|n| n as u64).collect::<Vec<_>>()));
    check(&counts.expect("counts"), &expected.iter().map(|row| row.len() as u64).collect());
}

/// Removes until nothing has to go.
fn core(csr: Csr<'_>, rows: &Rows, per_user: usize, per_item: usize) {
    let found = on_threads(|| k_core(csr, per_user, per_item, &Cancel::new())).expect("a core");
    let columns = turned(rows, csr.pattern.n_cols());
    let (mut users, mut items) = (vec![true; rows.len()], vec![true; columns.len()]);
    loop {
        let enough = |own: &BTreeMap<usize, f32>, others: &[bool], least| {
            own.keys().filter(|&&other| others[other]).count() >= least
        };
        let next_users: Vec<bool> =
            (0..rows.len()).map(|user| users[user] && enough(&rows[user], &items, per_user)).collect();
        let next_items: Vec<bool> = (0..columns.len())
            .map(|item| items[item] && enough(&columns[item], &next_users, per_item))
            .collect();
        if (&next_users, &next_items) == (&users, &items) {
            break;
        }
        (users, items) = (next_users, next_items);
    }
    check(&found, &(users, items));
}

fn unite(csr: Csr<'_>, rows: &Rows, other: &Arrays) {
    let others = other.rows();
    let found = on_threads(|| union_max(csr, other.csr()?, &Cancel::new()));
    refused(&found, (rows.len(), csr.pattern.n_cols()) != (others.len(), other.n_cols));
    let Ok(found) = found else { return };
    let mut expected = rows.clone();
    for (row, others) in expected.iter_mut().zip(others) {
        for (col, value) in others {
            row.entry(col).and_modify(|own| *own = own.max(value)).or_insert(value);
        }
    }
    let found = rows_of(&found, other.n_cols);
    // Of zeros with two signs either may be the larger.
    let same = |(a, b): (&BTreeMap<usize, f32>, &BTreeMap<usize, f32>)| {
        a.keys().eq(b.keys()) && a.values().zip(b.values()).all(|(a, b)| a == b || a.is_nan() && b.is_nan())
    };
    assert!(
        found.len() == expected.len() && found.iter().zip(&expected).all(same),
        "{found:?}, not {expected:?}"
    );
}

fn share(csr: Csr<'_>, rows: &Rows, edges: &Arrays) {
    let found = on_threads(|| shared_users(csr, edges.pattern()?, &Cancel::new()));
    let square = edges.rows();
    refused(&found, (square.len(), edges.n_cols) != (csr.pattern.n_cols(), csr.pattern.n_cols()));
    if let Ok(found) = found {
        let both =
            |a, b| rows.iter().filter(|row| row.contains_key(&a) && row.contains_key(&b)).count() as u64;
        let edges = square.iter().enumerate().flat_map(|(a, row)| row.keys().map(move |&b| (a, b)));
        assert_eq!(found, edges.map(|(a, b)| both(a, b)).sum::<u64>());
    }
}
