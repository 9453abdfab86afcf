use super::*;
use crate::kernels::cancel::Cancel;
use crate::kernels::rng::Stream;
use crate::kernels::simd::Path;

const SHORTEST: f32 = 1e-6;

fn random(n: usize, seed: u64) -> Vec<f32> {
    let stream = Stream::new(seed, 0);
    (0..n as u64).map(|i| stream.open_unit(i) as f32 - 0.5).collect()
}

/// Some numbers for each expert, padded with zeros.
fn coefficients(rows: usize, experts: usize) -> Vec<f32> {
    let mut padded = vec![0.0; rows * experts.next_multiple_of(WIDTH)];
    let drawn = random(rows * experts, 2);
    for (to, from) in
        padded.chunks_exact_mut(experts.next_multiple_of(WIDTH)).zip(drawn.chunks_exact(experts))
    {
        to[..experts].copy_from_slice(from);
    }
    padded
}

struct Case {
    shape: Shape,
    components: Vec<f32>,
    coefficients: Vec<f32>,
    pattern: Vec<i64>,
    items: Vec<i64>,
    per_user: usize,
}

fn case(components: usize, width: usize, experts: usize, per_user: usize) -> Case {
    let (users, items) = (70, 90);
    let shape = Shape { rows: users + items, components, width, experts };
    let stream = Stream::new(9, 0);
    Case {
        shape,
        components: random(shape.rows * components * width, 1),
        coefficients: coefficients(3 * components, experts),
        pattern: (0..shape.rows as u64).map(|row| (stream.bits32(row) % 3).into()).collect(),
        items: (0..(users * per_user) as u64).map(|pair| (stream.bits32(pair) % 50).into()).collect(),
        per_user,
    }
}

impl Case {
    fn mixing(&self) -> Mixing<'_> {
        Mixing {
            shape: self.shape,
            components: &self.components,
            coefficients: &self.coefficients,
            pattern: &self.pattern,
            shortest: SHORTEST,
        }
    }

    /// All products and all gradients, one after the other.
    fn run(&self, gradient: &[f32], path: Path) -> [Vec<f32>; 3] {
        let cancel = Cancel::new();
        let mut shares = vec![f32::NAN; self.shape.rows * self.shape.shares_len()];
        let mut grams = vec![f32::NAN; self.shape.rows * self.shape.components.pow(2)];
        unit_shares(self.mixing(), &mut shares, &mut grams, path, &cancel).unwrap();
        let pairs = Pairs {
            shape: self.shape,
            components: &self.components,
            shares: &shares,
            items: &self.items,
            per_user: self.per_user,
        };
        let mut out = vec![f32::NAN; gradient.len()];
        let mut pair_grams = vec![f32::NAN; self.items.len() * self.shape.components.pow(2)];
        products(pairs, &mut out, &mut pair_grams, path, &cancel).unwrap();
        let (mut grad_components, mut grad_shares) =
            (vec![f32::NAN; self.components.len()], vec![f32::NAN; shares.len()]);
        products_gradient(
            pairs,
            &pair_grams,
            gradient,
            &mut grad_components,
            &mut grad_shares,
            path,
            &cancel,
        )
        .unwrap();
        let mut grad_coefficients = vec![f32::NAN; self.coefficients.len()];
        unit_shares_gradient(
            self.mixing(),
            &grams,
            &grad_shares,
            &mut grad_components,
            &mut grad_coefficients,
            path,
            &cancel,
        )
        .unwrap();
        [out, grad_components, grad_coefficients]
    }

    /// The same products by definition, in float64: every expert's sum written out, of unit length.
    fn by_definition(&self) -> Vec<f64> {
        let Shape { rows, components: k, width, experts } = self.shape;
        let n_users = self.items.len() / self.per_user;
        let tower = |row: usize, expert: usize| -> Vec<f64> {
            let own = self.coefficients[self.pattern[row] as usize * self.shape.shares_len()..][expert..]
                .iter()
                .step_by(experts.next_multiple_of(WIDTH))
                .take(k);
            let mut sum = vec![0.0; width];
            for (component, &share) in own.enumerate() {
                let component = &self.components[(component * rows + row) * width..][..width];
                sum.iter_mut().zip(component).for_each(|(s, &p)| *s += f64::from(share) * f64::from(p));
            }
            let length = sum.iter().map(|s| s * s).sum::<f64>().max(f64::from(SHORTEST)).sqrt();
            sum.iter().map(|s| s / length).collect()
        };
        let towers: Vec<Vec<f64>> = (0..rows * experts).map(|at| tower(at / experts, at % experts)).collect();
        let pairs = self.items.iter().enumerate().flat_map(|(pair, &item)| {
            (0..experts)
                .map(move |e| (pair / self.per_user * experts + e, (n_users + item as usize) * experts + e))
        });
        pairs.map(|(u, i)| towers[u].iter().zip(&towers[i]).map(|(a, b)| a * b).sum()).collect()
    }
}

#[test]
fn products_are_those_of_the_sums_on_every_path() {
    for (components, width, experts, per_user) in
        [(6, 64, 9, 2), (1, 1, 1, 1), (2, 7, 3, 1), (4, 33, 2, 3), (9, 16, 5, 2), (10, 8, 20, 1)]
    {
        let case = case(components, width, experts, per_user);
        let gradient = random(case.items.len() * experts, 3);
        let found: Vec<_> = Path::available().map(|path| case.run(&gradient, path)).collect();
        assert!(found.iter().all(|other| *other == found[0]), "the paths differ");
        for (found, expected) in found[0][0].iter().zip(case.by_definition()) {
            assert!((f64::from(*found) - expected).abs() < 2e-5, "{found} {expected}");
        }
    }
}

#[test]
fn gradients_are_the_slopes() {
    let mut case = case(4, 9, 3, 2);
    let gradient = random(case.items.len() * 3, 3);
    let [_, grad_components, grad_coefficients] = case.run(&gradient, Path::Portable);
    let loss = |case: &Case| -> f64 {
        case.by_definition().iter().zip(&gradient).map(|(p, &g)| p * f64::from(g)).sum()
    };
    let step = 1e-3f32;
    let slope = |case: &mut Case, at: usize, in_components: bool| {
        let mut moved = |by: f32| {
            let numbers = if in_components { &mut case.components } else { &mut case.coefficients };
            let before = numbers[at];
            numbers[at] = before + by;
            let after = numbers[at];
            let found = loss(case);
            if in_components {
                case.components[at] = before
            } else {
                case.coefficients[at] = before
            }
            (f64::from(after), found)
        };
        let (high, low) = (moved(step), moved(-step));
        (high.1 - low.1) / (high.0 - low.0)
    };
    for at in (0..case.coefficients.len()).step_by(5) {
        let (found, expected) = (f64::from(grad_coefficients[at]), slope(&mut case, at, false));
        assert!(
            (found - expected).abs() < 2e-3 * (1.0 + expected.abs()),
            "coefficient {at}: {found} {expected}"
        );
    }
    for at in (0..case.components.len()).step_by(311) {
        let (found, expected) = (f64::from(grad_components[at]), slope(&mut case, at, true));
        assert!(
            (found - expected).abs() < 2e-3 * (1.0 + expected.abs()),
            "component {at}: {found} {expected}"
        );
    }
}

#[test]
fn nothing_has_no_length_and_no_slope() {
    let mut case = case(2, 8, 2, 1);
    case.components.fill(0.0);
    let [out, grad_components, grad_coefficients] =
        case.run(&random(case.items.len() * 2, 3), Path::Portable);
    assert!([out, grad_components, grad_coefficients].concat().iter().all(|&v| v == 0.0));
}

#[test]
fn what_does_not_fit_is_refused() {
    let case = case(2, 8, 2, 1);
    let cancel = Cancel::new();
    let mut shares = vec![0.0; case.shape.rows * case.shape.shares_len()];
    let mut grams = vec![0.0; case.shape.rows * 4];
    let mut unit =
        |mixing: Mixing<'_>| unit_shares(mixing, &mut shares, &mut grams, Path::Portable, &cancel).is_ok();
    assert!(unit(case.mixing()));
    assert!(!unit(Mixing { components: &case.components[1..], ..case.mixing() }));
    assert!(!unit(Mixing { pattern: &[3; 160], ..case.mixing() }));
    assert!(!unit(Mixing { coefficients: &case.coefficients[1..], ..case.mixing() }));
    assert!(!unit(Mixing { shape: Shape { components: MAX_COMPONENTS + 1, ..case.shape }, ..case.mixing() }));
    let pairs = Pairs {
        shape: case.shape,
        components: &case.components,
        shares: &shares,
        items: &case.items,
        per_user: 1,
    };
    let run = |pairs: Pairs<'_>| {
        let (mut out, mut grams) = (vec![0.0; pairs.items.len() * 2], vec![0.0; pairs.items.len() * 4]);
        products(pairs, &mut out, &mut grams, Path::Portable, &cancel).is_ok()
    };
    assert!(run(pairs));
    assert!(!run(Pairs { items: &[90; 70], ..pairs }), "an item that is none");
    assert!(!run(Pairs { per_user: 0, ..pairs }) && !run(Pairs { per_user: 3, ..pairs }));
    assert!(!run(Pairs { shares: &shares[1..], ..pairs }));
}
