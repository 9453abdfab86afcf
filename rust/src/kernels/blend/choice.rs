//! Which experts take part in a pair, and their shares, for sixteen pairs at once.

use crate::kernels::lanes::{Lanes, WIDTH, exp};

/// The most experts.
pub(super) const MAX_EXPERTS: usize = 64;

/// Below this distance to the greatest logit of a user or item, the power counts as zero: products of two powers are
/// then never subnormal, which would be slow.
pub(super) const FAR: f32 = -43.0;
/// e^-20. If the powers of all that take part sum to no more, what [`FAR`] cut off could matter, and they are taken
/// from the logits of the pair instead.
const LOW: f32 = 2e-9;

/// One expert of a user, or of sixteen items.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C)]
pub(super) struct Side<T> {
    /// Its logit; -∞ if it is off.
    pub logit: T,
    /// e^(logit - the greatest logit of the same user or item).
    pub power: T,
}

/// Writes the shares of sixteen pairs into the first places of `shares`, an expert each, and returns their sums.
///
/// The logit of a pair is the sum of those of its two sides. The `top` experts of the highest logit take part, lower
/// experts first among equals; the share of the others is 0, and an expert whose logit is -∞ never takes part. Shares
/// are e^logit up to a factor that is the same for all experts of a pair. Since logits are sums, powers are products:
/// there is no exponential to compute, save where the products are too small.
#[inline(always)]
pub(super) fn choose<L: Lanes>(
    lanes: L,
    user: &[Side<f32>],
    items: &[Side<[f32; WIDTH]>],
    top: usize,
    shares: &mut [[f32; WIDTH]; MAX_EXPERTS],
) -> L::V {
    let pairs = Pairs { lanes, user, items: &items[..user.len()] };
    match top {
        _ if top >= user.len() => pairs.choose_all(shares),
        1 => pairs.choose::<2>(shares),
        2 => pairs.choose::<3>(shares),
        3 => pairs.choose::<4>(shares),
        4 => pairs.choose::<5>(shares),
        _ => {
            let highest = pairs.highest_of(top + 1);
            pairs.up_to(highest[0], highest[top - 1], highest[top], top, shares)
        }
    }
}

#[derive(Clone, Copy)]
struct Pairs<'a, L> {
    lanes: L,
    user: &'a [Side<f32>],
    items: &'a [Side<[f32; WIDTH]>],
}

impl<L: Lanes> Pairs<'_, L> {
    #[inline(always)]
    fn logit(&self, expert: usize) -> L::V {
        self.lanes.add(self.lanes.splat(self.user[expert].logit), self.lanes.load(&self.items[expert].logit))
    }

    #[inline(always)]
    fn product(&self, expert: usize) -> L::V {
        self.lanes.mul(self.lanes.splat(self.user[expert].power), self.lanes.load(&self.items[expert].power))
    }

    #[inline(always)]
    fn choose_all(&self, shares: &mut [[f32; WIDTH]; MAX_EXPERTS]) -> L::V {
        let off = self.lanes.splat(f32::NEG_INFINITY);
        let highest = (0..self.user.len()).fold(off, |high, e| self.lanes.max(self.logit(e), high));
        self.up_to(highest, off, off, self.user.len(), shares)
    }

    #[inline(always)]
    fn choose<const N: usize>(&self, shares: &mut [[f32; WIDTH]; MAX_EXPERTS]) -> L::V {
        let mut highest = [self.lanes.splat(f32::NEG_INFINITY); N];
        self.sort_in(&mut highest);
        self.up_to(highest[0], highest[N - 2], highest[N - 1], N - 1, shares)
    }

    #[inline(always)]
    fn highest_of(&self, n: usize) -> [L::V; MAX_EXPERTS] {
        let mut highest = [self.lanes.splat(f32::NEG_INFINITY); MAX_EXPERTS];
        self.sort_in(&mut highest[..n]);
        highest
    }

    /// Makes `highest`, of -∞, the highest logits in descending order: each logit pushes the lower ones down.
    #[inline(always)]
    fn sort_in(&self, highest: &mut [L::V]) {
        for expert in 0..self.user.len() {
            let mut next = self.logit(expert);
            for place in &mut *highest {
                let higher = self.lanes.max(*place, next);
                next = self.lanes.min(*place, next);
                *place = higher;
            }
        }
    }

    /// Shares of the experts above `below`, which is the highest logit that is left out and `last` the lowest that
    /// takes part, unless the two are equal.
    #[inline(always)]
    fn up_to(
        &self,
        highest: L::V,
        last: L::V,
        below: L::V,
        top: usize,
        shares: &mut [[f32; WIDTH]; MAX_EXPERTS],
    ) -> L::V {
        let Self { lanes, user, .. } = *self;
        let mut total = lanes.splat(0.0);
        for (expert, share) in shares[..user.len()].iter_mut().enumerate() {
            let own = lanes.keep(self.product(expert), self.logit(expert), below);
            total = lanes.add(total, own);
            lanes.store(own, share);
        }
        let off = lanes.splat(f32::NEG_INFINITY);
        let tied = lanes.above(below, off) & !lanes.above(last, below);
        let low = lanes.above(highest, off) & !lanes.above(total, lanes.splat(LOW));
        if tied | low == 0 { total } else { self.with_care(highest, last, top, shares) }
    }

    /// The same where logits tie at the border, or where the products are too small. The other pairs among the sixteen
    /// get what they had.
    #[inline(always)]
    fn with_care(
        &self,
        highest: L::V,
        last: L::V,
        top: usize,
        shares: &mut [[f32; WIDTH]; MAX_EXPERTS],
    ) -> L::V {
        let Self { lanes, user, .. } = *self;
        let (none, one, minus) = (lanes.splat(0.0), lanes.splat(1.0), lanes.splat(-1.0));
        let off = lanes.splat(f32::NEG_INFINITY);
        let less = |a, b| lanes.fma(b, minus, a);
        // Places that are left for experts of the last logit.
        let mut room = lanes.splat(top as f32);
        for expert in 0..user.len() {
            room = less(room, lanes.keep(one, self.logit(expert), last));
        }
        let mut exact = [[0.0; WIDTH]; MAX_EXPERTS];
        let (mut total, mut exact_total) = (none, none);
        for expert in 0..user.len() {
            let logit = self.logit(expert);
            let above = lanes.keep(one, logit, last);
            let equal = less(less(one, above), lanes.keep(one, last, logit));
            let taken = lanes.keep(equal, room, none);
            room = less(room, taken);
            let chosen = lanes.keep(lanes.add(above, taken), logit, off);
            let own = lanes.keep(self.product(expert), chosen, none);
            let power = lanes.keep(exp(lanes, less(logit, highest)), chosen, none);
            total = lanes.add(total, own);
            exact_total = lanes.add(exact_total, power);
            lanes.store(own, &mut shares[expert]);
            lanes.store(power, &mut exact[expert]);
        }
        let (low, above_low) = (lanes.splat(LOW), lanes.splat(LOW.next_up()));
        let either =
            |usual, careful| lanes.add(lanes.keep(usual, total, low), lanes.keep(careful, above_low, total));
        for (share, exact) in shares.iter_mut().zip(&exact).take(user.len()) {
            lanes.store(either(lanes.load(share), lanes.load(exact)), share);
        }
        either(total, exact_total)
    }
}
