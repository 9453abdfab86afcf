//! The targets. Each is a function of bytes that panics on a fault.

mod blend;
mod edges;
mod graphs;
mod interactions;
mod knn;
mod matrices;
mod propagate;
mod pseudo_edges;
mod rank;
mod ridge;
mod sampling;

use crate::same::choose_threads;

/// A target, called with any bytes.
pub type Target = fn(&[u8]);

/// All targets by name: those of their files in `fuzz_targets/` and of their folders in `corpus/`.
pub const ALL: [(&str, Target); 13] = [
    ("blend", blend::scores),
    ("edges", edges::drop_edges),
    ("graphs", graphs::graphs),
    ("interactions", interactions::interactions),
    ("knn", knn::exact),
    ("knn_approximate", knn::approximate),
    ("matrices", matrices::matrices),
    ("propagate", propagate::propagate),
    ("pseudo_edges", pseudo_edges::pseudo_edges),
    ("rank", rank::rank),
    ("rank_blend", blend::rank),
    ("ridge", ridge::ridge),
    ("sampling", sampling::sampling),
];

/// Calls the target of a name.
///
/// # Panics
/// If there is none, and where the target finds a fault.
pub fn call(name: &str, data: &[u8]) {
    let (_, target) = ALL.iter().find(|(own, _)| *own == name).expect("a target of this name");
    choose_threads(data);
    target(data);
}
