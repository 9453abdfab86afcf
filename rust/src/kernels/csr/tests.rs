use super::*;

#[test]
fn a_pattern_is_checked() {
    let indices = [0, 2, 1];
    assert!(Pattern::new(Indptr::Narrow(&[0, 2, 3]), &indices, 3).is_ok());
    assert!(Pattern::new(Indptr::Wide(&[0, 2, 3]), &indices, 3).is_ok());
    assert!(Pattern::new(Indptr::Narrow(&[]), &indices, 3).is_err());
    assert!(Pattern::new(Indptr::Narrow(&[0, 3, 2]), &indices, 3).is_err());
    assert!(Pattern::new(Indptr::Narrow(&[0, 3]), &indices, 3).is_err(), "columns descend");
    assert!(Pattern::new(Indptr::Narrow(&[0, 2, 3]), &indices, 2).is_err(), "column out of range");
    assert!(Pattern::new(Indptr::Narrow(&[0, 5, 3]), &indices, 3).is_err(), "pointer past the end");
    assert!(Pattern::new(Indptr::Narrow(&[0, 1]), &[-1], 3).is_err(), "negative column");
    assert!(Pattern::new(Indptr::Narrow(&[0, 1, 0, 3]), &indices, 3).is_err(), "pointers go back");
}

#[test]
fn the_quick_check_finds_what_the_slow_one_names() {
    let stream = crate::kernels::rng::Stream::new(6, 0);
    let mut refused = 0;
    let cases = if cfg!(miri) { 500 } else { 20_000u64 };
    for case in 0..cases {
        let draw = |at: u64, of: u64| (stream.bits64(case * 32 + at) % of) as i32;
        let indices: Vec<i32> = (0..draw(0, 6)).map(|at| draw(1 + at as u64, 7) - 1).collect();
        let mut indptr: Vec<i32> = (0..draw(10, 4)).map(|at| draw(11 + at as u64, 6)).collect();
        indptr.insert(0, 0);
        indptr.push(indices.len() as i32);
        let pattern = Pattern { indptr: Indptr::Narrow(&indptr), indices: &indices, n_cols: 5 };
        assert_eq!(pattern.is_sound(), pattern.find_fault().is_ok(), "{indptr:?} {indices:?}");
        refused += usize::from(!pattern.is_sound());
    }
    let cases = cases as usize;
    assert!((cases / 20..cases - cases / 20).contains(&refused), "{refused}");
    // Longer than one step, with a fault across the cut.
    let mut long: Vec<i32> = (0..STEP as i32 + 5).collect();
    let whole = [0, long.len() as i64];
    let sound = |indices: &[i32]| Pattern::new(Indptr::Wide(&whole), indices, 1 << 20).is_ok();
    assert!(sound(&long));
    long[STEP] = STEP as i32 - 1;
    assert!(!sound(&long));
}
