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
    let border = match top {
        _ if top >= user.len() => pairs.no_border(),
        1 => pairs.border::<2>(),
        2 => pairs.border::<3>(),
        3 => pairs.border::<4>(),
        4 => pairs.border::<5>(),
        5 => pairs.border::<6>(),
        6 => pairs.border::<7>(),
        7 => pairs.border::<8>(),
        8 => pairs.border::<9>(),
        _ => pairs.far_border(top),
    };
    pairs.up_to(border, top.min(user.len()), shares)
}

/// Where the cut falls among the logits of a pair.
#[derive(Clone, Copy)]
struct Border<V> {
    /// The highest of all.
    highest: V,
    /// The lowest that takes part.
    last: V,
    /// The highest that does not, unless it equals `last`; -∞ if there is none.
    below: V,
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
    fn no_border(&self) -> Border<L::V> {
        let off = self.lanes.splat(f32::NEG_INFINITY);
        let mut highest = off;
        for expert in 0..self.user.len() {
            highest = self.lanes.max(self.logit(expert), highest);
        }
        Border { highest, last: off, below: off }
    }

    /// The border after N - 1 experts; the N highest logits stay in registers.
    #[inline(always)]
    fn border<const N: usize>(&self) -> Border<L::V> {
        let mut highest = [self.lanes.splat(f32::NEG_INFINITY); N];
        self.sort_in(&mut highest);
        Border { highest: highest[0], last: highest[N - 2], below: highest[N - 1] }
    }

    #[inline(always)]
    fn far_border(&self, top: usize) -> Border<L::V> {
        let mut highest = [self.lanes.splat(f32::NEG_INFINITY); MAX_EXPERTS];
        self.sort_in(&mut highest[..=top]);
        Border { highest: highest[0], last: highest[top - 1], below: highest[top] }
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

    /// Writes the shares of the experts on this side of the border.
    #[inline(always)]
    fn up_to(&self, border: Border<L::V>, top: usize, shares: &mut [[f32; WIDTH]; MAX_EXPERTS]) -> L::V {
        let Self { lanes, user, .. } = *self;
        let Border { highest, last, below } = border;
        let mut total = lanes.splat(0.0);
        for (expert, share) in shares[..user.len()].iter_mut().enumerate() {
            let own = lanes.keep(self.product(expert), self.logit(expert), below);
            total = lanes.add(total, own);
            lanes.store(own, share);
        }
        let off = lanes.splat(f32::NEG_INFINITY);
        let tied = lanes.above(below, off) & !lanes.above(last, below);
        let low = lanes.above(highest, off) & !lanes.above(total, lanes.splat(LOW));
        if tied | low == 0 { total } else { self.with_care(border, top, shares) }
    }

    /// The same where logits tie at the border, or where the products are too small. The other pairs among the sixteen
    /// get what they had.
    #[inline(always)]
    fn with_care(&self, border: Border<L::V>, top: usize, shares: &mut [[f32; WIDTH]; MAX_EXPERTS]) -> L::V {
        let Self { lanes, user, .. } = *self;
        let Border { highest, last, .. } = border;
        let (none, one, minus) = (lanes.splat(0.0), lanes.splat(1.0), lanes.splat(-1.0));
        let off = lanes.splat(f32::NEG_INFINITY);
        let shares = &mut shares[..user.len()];
        // Places that are left for experts of the last logit.
        let mut room = lanes.splat(top as f32);
        for expert in 0..user.len() {
            room = lanes.fma(lanes.keep(one, self.logit(expert), last), minus, room);
        }
        // For now, 1 for those that take part.
        let mut total = none;
        for (expert, share) in shares.iter_mut().enumerate() {
            let logit = self.logit(expert);
            let above = lanes.keep(one, logit, last);
            let differs = lanes.add(above, lanes.keep(one, last, logit));
            let taken = lanes.keep(lanes.fma(differs, minus, one), room, none);
            room = lanes.fma(taken, minus, room);
            let chosen = lanes.keep(lanes.add(above, taken), logit, off);
            total = lanes.add(total, lanes.keep(self.product(expert), chosen, none));
            lanes.store(chosen, share);
        }
        if lanes.above(highest, off) & !lanes.above(total, lanes.splat(LOW)) == 0 {
            for (expert, share) in shares.iter_mut().enumerate() {
                let own = lanes.keep(self.product(expert), lanes.load(share), none);
                lanes.store(own, share);
            }
            return total;
        }
        let mut exact_total = none;
        for (expert, share) in shares.iter_mut().enumerate() {
            let chosen = lanes.load(share);
            let exact = exp(lanes, lanes.fma(highest, minus, self.logit(expert)));
            let own = self.either(self.product(expert), exact, total);
            exact_total = lanes.add(exact_total, lanes.keep(exact, chosen, none));
            lanes.store(lanes.keep(own, chosen, none), share);
        }
        self.either(total, exact_total, total)
    }

    /// `usual`, or `exact` where the total of the products is too low.
    #[inline(always)]
    fn either(&self, usual: L::V, exact: L::V, total: L::V) -> L::V {
        let lanes = self.lanes;
        let usual = lanes.keep(usual, total, lanes.splat(LOW));
        lanes.add(usual, lanes.keep(exact, lanes.splat(LOW.next_up()), total))
    }
}
