use super::super::rng::Stream;
use super::*;

#[test]
fn duplicates_are_merged_and_rows_sorted() {
    let found = interactions(&[1, 0, 1, 1, 0], &[2, 1, 0, 2, 1], 3, 3, &Cancel::new()).unwrap();
    assert_eq!(found.indptr, [0, 1, 3, 3]);
    assert_eq!(found.indices, [1, 0, 2]);
    assert_eq!(found.values, [1.0; 3]);
}

#[test]
fn a_pair_out_of_range_is_named() {
    for (users, items) in [([0, 9], [0, 0]), ([0, 0], [0, -1])] {
        let error = interactions(&users, &items, 2, 2, &Cancel::new()).unwrap_err();
        assert!(error.to_string().starts_with("pair 1: "), "{error}");
    }
    assert!(interactions(&[0], &[], 2, 2, &Cancel::new()).is_err());
    assert!(interactions(&[0i64, 1 << 32], &[0, 0], 2, 2, &Cancel::new()).is_err());
}

#[test]
fn many_pairs_equal_a_sorted_set_in_either_width() {
    let stream = Stream::new(3, 0);
    // Many chunks and buckets; keys of 32 bits, and of more.
    let many = if cfg!(miri) { 300 } else { 60_000 };
    let far = if cfg!(miri) { 1 << 10 } else { 1 << 20 };
    for (n, n_users, n_items) in [(many, 500, 300), (many, 40_000, 1 << 30), (0, 3, 3), (9, far, 1)] {
        let draw = |at: usize, of: usize| (stream.open_unit(at as u64).powi(3) * of as f64) as i64;
        let users: Vec<i64> = (0..n).map(|at| draw(2 * at, n_users)).collect();
        let items: Vec<i64> = (0..n)
            .map(|at| draw(2 * at + 1, n_items) % 1000 * (n_items as i64 / 1000).max(1))
            .map(|item| item % n_items as i64)
            .collect();
        let found = interactions(&users, &items, n_users, n_items, &Cancel::new()).unwrap();
        let set: std::collections::BTreeSet<_> = users.iter().zip(&items).collect();
        assert!(set.iter().map(|(_, item)| **item).eq(found.indices.iter().map(|&item| i64::from(item))));
        for (user, pointers) in found.indptr.windows(2).enumerate().take(2000) {
            let of_user = set.range((&(user as i64), &0)..(&(user as i64 + 1), &0)).count();
            assert_eq!(pointers[1] - pointers[0], of_user as i64);
        }
        let narrow = |wide: &[i64]| wide.iter().map(|&index| index as i32).collect::<Vec<_>>();
        let again = interactions(&narrow(&users), &narrow(&items), n_users, n_items, &Cancel::new()).unwrap();
        assert_eq!(found, again);
    }
}
