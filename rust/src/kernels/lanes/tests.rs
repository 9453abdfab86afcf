use super::*;
use crate::kernels::rng::Stream;

/// Every operation on hostile numbers, as bits.
struct Everything<'a>(&'a [f32]);

impl Work for Everything<'_> {
    type Output = Vec<u32>;

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) -> Vec<u32> {
        let mut bits = Vec::new();
        let (groups, _) = self.0.as_chunks::<WIDTH>();
        for window in groups.windows(3) {
            let [a, b, c] = [lanes.load(&window[0]), lanes.load(&window[1]), lanes.load(&window[2])];
            let one = lanes.splat(window[0][0]);
            let table: [f32; TABLE] = std::array::from_fn(|place| self.0[place]);
            let places = window[1].map(|x| (x.to_bits() >> 9) as u8);
            let whole = lanes.load(&window[0].map(|x| ((x.to_bits() % 254) as f32) - 126.0));
            for v in [
                lanes.fma(a, b, c),
                lanes.mul(a, b),
                lanes.div(a, b),
                lanes.add(a, one),
                lanes.max(a, b),
                lanes.min(a, b),
                lanes.abs(c),
                lanes.with_sign(a, b),
                lanes.exponent(a),
                lanes.standard(a, f64::from(window[1][0]), f64::from(window[2][0])),
                lanes.keep(a, b, c),
                lanes.pow2(whole),
                lanes.pick(&table, TABLE, &places),
                lanes.pick(&table, WIDTH, &places.map(|place| place % WIDTH as u8)),
            ] {
                let mut out = [0.0; WIDTH];
                lanes.store(v, &mut out);
                // The bits of a NaN may differ.
                bits.extend(out.map(|x| if x.is_nan() { u32::MAX } else { x.to_bits() }));
            }
            let own = [a, b, c, one, whole, a, b, c];
            bits.extend(lanes.sums(own).map(|x| if x.is_nan() { u32::MAX } else { x.to_bits() }));
            bits.push(lanes.above(a, b));
            let from = f64::from(window[1][1]);
            let sums = lanes.add_squares(b, from, lanes.add_distances(a, from, lanes.no_sums()));
            let sums = lanes.each_sum(sums).map(|x| if x.is_nan() { u64::MAX } else { x.to_bits() });
            bits.extend(sums.into_iter().flat_map(|x| [(x >> 32) as u32, x as u32]));
            // One of them starts a cache line, the others do not.
            let mut room = [0.0; 4 * WIDTH];
            for at in [0, 4, 8, 12].into_iter().flat_map(|at| [at, at + 1, at + 2, at + 3]) {
                let to = &mut room[at..].as_chunks_mut::<WIDTH>().0[0];
                lanes.stream(lanes.abs(a), to);
                lanes.fence();
                bits.extend(to.map(|x| if x.is_nan() { u32::MAX } else { x.to_bits() }));
            }
            lanes.prefetch(&window[0][0]);
        }
        bits
    }
}

#[test]
fn all_paths_agree_to_the_bit() {
    let stream = Stream::new(1, 1);
    let hostile = [0.0, -0.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e-40, -1e-40, f32::MAX];
    let numbers: Vec<f32> = (0..if cfg!(miri) { 320 } else { 4096u64 })
        .map(|i| match stream.bits32(i) {
            bits if bits.is_multiple_of(5) => hostile[(bits >> 8) as usize % hostile.len()],
            bits => f32::from_bits(stream.bits32(bits as u64)),
        })
        .collect();
    let plain = Path::Portable.run(Everything(&numbers));
    for path in Path::available() {
        assert_eq!(path.run(Everything(&numbers)), plain, "{path:?}");
    }
}
