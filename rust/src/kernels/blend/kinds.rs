//! Items that are alike to the gate: it decides once for all of them.
//!
//! A router that sees a few readable numbers of an item has a handful of different rows of item logits for a whole
//! catalogue. The weights of the cues then depend on the user and on the kind of the item, and are the same to the bit.

use std::collections::HashMap;

use crate::kernels::lanes::WIDTH;

/// The different rows of item logits, and which of them each item has.
pub(super) struct Kinds {
    /// `(kinds, E)`.
    pub logits: Vec<f32>,
    /// Of each item; the first kind beyond the last one, up to a whole vector.
    pub of: Vec<u8>,
    /// How many kinds there are.
    pub len: usize,
}

impl Kinds {
    /// None if there are more than a byte can tell apart, or no experts.
    pub(super) fn find(logits: &[f32], n: usize) -> Option<Self> {
        if n == 0 {
            return None;
        }
        let mut known: HashMap<Vec<u32>, u8> = HashMap::new();
        let (mut of, mut rows) = (Vec::with_capacity(logits.len() / n), Vec::new());
        let mut bits = vec![0; n];
        for row in logits.chunks_exact(n) {
            bits.iter_mut().zip(row).for_each(|(bits, logit)| *bits = logit.to_bits());
            if let Some(&kind) = known.get(&bits) {
                of.push(kind);
                continue;
            }
            let kind = u8::try_from(known.len()).ok()?;
            known.insert(bits.clone(), kind);
            rows.extend_from_slice(row);
            of.push(kind);
        }
        of.resize(of.len().next_multiple_of(WIDTH), 0);
        Some(Self { logits: rows, of, len: known.len() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_rows_are_of_one_kind() {
        let found = Kinds::find(&[1.0, 2.0, 0.0, 0.0, 1.0, 2.0, -0.0, 0.0], 2).unwrap();
        assert_eq!(found.of[..4], [0, 1, 0, 2]);
        assert_eq!((found.of.len(), found.len), (WIDTH, 3));
        assert_eq!(found.logits, [1.0, 2.0, 0.0, 0.0, -0.0, 0.0]);
    }

    #[test]
    fn more_kinds_than_a_byte_can_tell_are_none() {
        let logits: Vec<f32> = (0..256).map(|kind| kind as f32).collect();
        assert_eq!(Kinds::find(&logits, 1).unwrap().of.len(), 256);
        assert!(Kinds::find(&[&logits[..], &[-1.0]].concat(), 1).is_none());
    }
}
