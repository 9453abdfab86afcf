//! Dropout by counter: whether a number is kept depends on the seed and its place alone.

use rayon::prelude::*;

use super::cancel::Cancel;
use super::error::Error;
use super::lanes::{Lanes, Work};
use super::rng::Stream;
use super::simd::Path;

/// Numbers that share one draw, 16 bits each.
const SERVED: usize = 4;
/// Draws made at a time.
const AT_ONCE: usize = 8;
/// Numbers of one parallel step.
const STEP: usize = SERVED << 13;

/// Writes `x / keep` where the draw of `stream` keeps a number, and 0 elsewhere.
///
/// 16 bits of draw n belong to each of the numbers 4n to 4n + 3, so that `keep` is exact to within 2^-17. The backward
/// pass applies the same function to the gradient: no mask has to be stored.
///
/// # Errors
/// [`Error::Invalid`] if the lengths differ or `keep` is not in (0, 1]; [`Error::Cancelled`].
pub fn dropout(
    x: &[f32],
    keep: f64,
    stream: Stream,
    out: &mut [f32],
    path: Path,
    cancel: &Cancel,
) -> Result<(), Error> {
    if x.len() != out.len() {
        return Err(Error::invalid(format!("{} numbers in, but place for {}", x.len(), out.len())));
    }
    if !(keep > 0.0 && keep <= 1.0) {
        return Err(Error::invalid(format!("the share to keep must be in (0, 1], got {keep}")));
    }
    // 2^16 itself where everything is kept.
    let limit = (keep * f64::from(1 << 16)).round() as u64;
    let scale = (1.0 / keep) as f32;
    let steps = x.par_chunks(STEP).zip(out.par_chunks_mut(STEP)).enumerate();
    steps.try_for_each(|(step, (x, out))| {
        cancel.check()?;
        path.run(Step { x, out, first: (step * STEP / SERVED) as u64, limit, scale, stream });
        Ok(())
    })
}

/// Some numbers, the first of which has the draw `first`.
struct Step<'a> {
    x: &'a [f32],
    out: &'a mut [f32],
    first: u64,
    limit: u64,
    scale: f32,
    stream: Stream,
}

impl Work for Step<'_> {
    type Output = ();

    // Only integers decide, so that all paths agree; they differ in how many draws they make at a time.
    #[inline(always)]
    fn run<L: Lanes>(self, _: L) {
        let Self { x, out, first, limit, scale, stream } = self;
        // A mask, since a branch would be mispredicted whenever a number is dropped.
        let kept = |x: f32, bits: u64| {
            f32::from_bits((x * scale).to_bits() & u32::from(bits & 0xFFFF < limit).wrapping_neg())
        };
        let (fours, rest) = x.as_chunks::<SERVED>();
        let (out_fours, out_rest) = out.as_chunks_mut::<SERVED>();
        let eights = fours.as_chunks::<AT_ONCE>().0.iter().zip(out_fours.as_chunks_mut::<AT_ONCE>().0);
        for (draw, (x, out)) in (first..).step_by(AT_ONCE).zip(eights) {
            let bits: [u64; AT_ONCE] = std::array::from_fn(|n| stream.bits64(draw + n as u64));
            for (bits, (x, out)) in bits.iter().zip(x.iter().zip(out)) {
                *out = std::array::from_fn(|place| kept(x[place], bits >> (16 * place)));
            }
        }
        let whole = fours.len() / AT_ONCE * AT_ONCE;
        let rest = fours[whole..].as_flattened().iter().chain(rest);
        let out_rest = out_fours[whole..].as_flattened_mut().iter_mut().chain(out_rest);
        for (at, (x, out)) in rest.zip(out_rest).enumerate() {
            let bits = stream.bits64(first + (whole + at / SERVED) as u64);
            *out = kept(*x, bits >> (16 * (at % SERVED)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_ones(n: usize, keep: f64, seed: u64) -> Vec<f32> {
        let found = Path::available().map(|path| {
            let mut out = vec![f32::NAN; n];
            dropout(&vec![1.0; n], keep, Stream::new(seed, 0), &mut out, path, &Cancel::new()).unwrap();
            out
        });
        found.reduce(|one, other| if one == other { one } else { panic!("the paths differ") }).unwrap()
    }

    #[test]
    fn about_as_many_stay_as_asked_for_and_are_scaled() {
        let n = 3 * STEP + 1;
        let found = of_ones(n, 0.8, 1);
        assert!(found.iter().all(|&v| v == 0.0 || v == 1.25));
        for place in 0..SERVED {
            let kept = found.iter().skip(place).step_by(SERVED).filter(|&&v| v != 0.0).count() as f64;
            let of = (n / SERVED) as f64;
            assert!((kept - 0.8 * of).abs() < 5.0 * (of * 0.16).sqrt(), "{kept} of {of}");
        }
        // The numbers of one draw are independent: two of them are kept together as often as any two.
        for (a, b) in (0..SERVED).flat_map(|b| (0..b).map(move |a| (a, b))) {
            let (fours, _) = found.as_chunks::<SERVED>();
            let both = fours.iter().filter(|four| four[a] != 0.0 && four[b] != 0.0).count() as f64;
            let of = fours.len() as f64;
            assert!(
                (both - 0.64 * of).abs() < 5.0 * (of * 0.64 * 0.36).sqrt(),
                "{a} and {b}: {both} of {of}"
            );
        }
        assert_ne!(found, of_ones(n, 0.8, 2));
        assert!(of_ones(n, 1.0, 1).iter().all(|&v| v == 1.0));
    }

    #[test]
    fn a_number_is_kept_by_its_place_alone() {
        let whole = of_ones(3 * STEP, 0.5, 4);
        assert_eq!(of_ones(STEP + 3, 0.5, 4), whole[..STEP + 3]);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let run = |n: usize, keep| {
            let (stream, path) = (Stream::new(0, 0), Path::Portable);
            dropout(&[1.0; 3], keep, stream, &mut vec![0.0; n], path, &Cancel::new()).is_ok()
        };
        assert!(run(3, 0.5));
        assert!(!run(2, 0.5) && !run(3, 0.0) && !run(3, 1.5) && !run(3, f64::NAN));
    }
}
