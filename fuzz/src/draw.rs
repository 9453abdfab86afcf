//! Arguments out of bytes.

use arbitrary::{Arbitrary, Unstructured};

use crate::kernels::rng::Stream;

/// Bytes that are read from the front; where they end, everything is zero.
pub struct Draw<'a>(Unstructured<'a>);

/// What numbers a call gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Small whole numbers: many ties.
    Whole,
    /// Between -1 and 1.
    Unit,
    /// Any finite number, subnormal and huge ones among them.
    Finite,
    /// Any bits.
    Any,
}

impl<'a> Draw<'a> {
    pub fn new(data: &'a [u8]) -> Self {
        Self(Unstructured::new(data))
    }

    /// A number of a type, every value possible.
    pub fn any<T: Arbitrary<'a> + Default>(&mut self) -> T {
        self.0.arbitrary().unwrap_or_default()
    }

    /// A number from `0` to `most`.
    pub fn upto(&mut self, most: usize) -> usize {
        self.0.int_in_range(0..=most).unwrap_or_default()
    }

    /// True once in `n` times; false where the bytes have ended.
    pub fn once_in(&mut self, n: u8) -> bool {
        self.any::<u8>() % n == n - 1
    }

    pub fn one_of<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.upto(of.len() - 1)]
    }

    /// How many: mostly few, sometimes none, sometimes more than any machine can hold. None of them is merely very large,
    /// since that would be given, and would fill the memory.
    pub fn count(&mut self, most: usize) -> usize {
        match self.any::<u8>() {
            250 => usize::MAX,
            251 => 1 << 63,
            252 => 1 << 62,
            253 => 1 << 58,
            254 => usize::MAX / 3,
            255 => 0,
            byte if most < 250 => byte as usize % (most + 1),
            _ => self.upto(most),
        }
    }

    /// An index below `n`, and now and then one that is not.
    pub fn index(&mut self, n: usize) -> i32 {
        match self.any::<u8>() {
            253 => self.any(),
            254 => n as i32,
            255 => -1,
            byte => (byte as usize % n.max(1)) as i32,
        }
    }

    pub fn indices(&mut self, n: usize, of: usize) -> Vec<i32> {
        (0..n).map(|_| self.index(of)).collect()
    }

    pub fn kind(&mut self) -> Kind {
        self.one_of(&[Kind::Whole, Kind::Unit, Kind::Finite, Kind::Any])
    }

    pub fn number(&mut self, kind: Kind) -> f32 {
        match kind {
            Kind::Whole => f32::from(self.any::<i8>() / 32),
            Kind::Unit => f32::from(self.any::<i16>()) / 32768.0,
            Kind::Finite => Some(self.any::<f32>()).filter(|x| x.is_finite()).unwrap_or(f32::MAX),
            Kind::Any => self.any(),
        }
    }

    /// Numbers of one kind: few are drawn one by one, many out of a seed.
    pub fn numbers(&mut self, n: usize, kind: Kind) -> Vec<f32> {
        if n <= 64 {
            return (0..n).map(|_| self.number(kind)).collect();
        }
        let stream = self.stream();
        (0..n as u64)
            .map(|at| match kind {
                Kind::Whole => (stream.bits32(at) % 7) as f32 - 3.0,
                Kind::Unit => stream.open_unit(at) as f32 * 2.0 - 1.0,
                Kind::Finite => {
                    Some(f32::from_bits(stream.bits32(at))).filter(|x| x.is_finite()).unwrap_or(1.0)
                }
                Kind::Any => f32::from_bits(stream.bits32(at)),
            })
            .collect()
    }

    pub fn flags(&mut self, n: usize) -> Vec<bool> {
        let (stream, few) = (self.stream(), self.any::<u8>());
        (0..n as u64).map(|at| stream.bits32(at) as u8 >= few).collect()
    }

    /// Random numbers out of a seed.
    pub fn stream(&mut self) -> Stream {
        Stream::new(self.any(), 0)
    }

    /// Now and then one more or one less than asked for.
    pub fn about(&mut self, n: usize) -> usize {
        match self.any::<u8>() {
            254 => n + 1,
            255 => n.saturating_sub(1),
            _ => n,
        }
    }
}
