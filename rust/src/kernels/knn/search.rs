//! The upper triangle of the similarity, tile by tile. Each tile is filtered for its rows and for its columns while it
//! is still in registers.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rayon::prelude::*;

use super::bound::filter_error;
use super::candidates::{Limits, List, Rule};
use super::panels::{Block, Panels};
use super::rows::Rows;
use crate::kernels::cancel::Cancel;
use crate::kernels::error::Error;
use crate::kernels::tiles::buffer::Buffer;
use crate::kernels::tiles::chunks::Chunks;
use crate::kernels::tiles::format::Format;
use crate::kernels::tiles::{COLS, Filter, Kernel, Line, Operands, Shape};
use crate::kernels::topk::Scored;

/// The most tiles of a block row that one task handles: enough to pay for packing the rows.
const RUN: usize = 32;
/// Tasks for each thread, if there are enough tiles, so that all threads end at about the same time.
const TASKS: usize = 16;

/// The k nearest distinct rows of each distinct row, best first. The numbers are those of `rows`.
///
/// `scale` multiplies the unit rows before they are written in the kernel's format; the format's own is the finest.
/// The answer is `None` if the filter turns out too coarse for these rows, unless it is the `last` one.
pub(super) fn search<K: Kernel>(
    kernel: K,
    rows: &Rows<'_>,
    k: usize,
    scale: f64,
    last: bool,
    cancel: &Cancel,
) -> Result<Option<Vec<Vec<Scored<f32>>>>, Error> {
    let side = K::Shape::SIDE;
    let chunks = Chunks::new::<K::Shape>(rows.width());
    let panels = Panels::new(kernel, rows, chunks, scale, cancel)?;
    let rounding = <K::Shape as Shape>::Format::rounding(chunks);
    let error = filter_error(rows.width(), panels.residual(), rounding) * scale * scale;
    let rule = Rule { k, scale: scale * scale, error };
    let n_blocks = rows.len().div_ceil(side);
    let lists = (0..n_blocks)
        .map(|block| {
            Mutex::new((block * side..rows.len().min((block + 1) * side)).map(|_| List::new(rule)).collect())
        })
        .collect();
    let limits = Limits::new(rows.len(), n_blocks * side);
    let search = Search { kernel, rows, panels, chunks, rule, lists, limits };
    // The diagonal comes first: it gives every list a limit. Without a limit all entries of a tile would be candidates.
    let crowded = (0..n_blocks)
        .into_par_iter()
        .map_init(
            || Scratch::new(kernel, chunks, true),
            |scratch, block| search.diagonal(scratch, block, cancel),
        )
        .try_reduce(|| 0, |a, b| Ok(a + b))?;
    if !last && crowded > rows.len() / 4 {
        return Ok(None);
    }
    let n_tiles = n_blocks * n_blocks.saturating_sub(1) / 2;
    let run = (n_tiles / (TASKS * rayon::current_num_threads())).clamp(1, RUN);
    let tasks: Vec<(usize, usize)> =
        (0..n_blocks).flat_map(|row| (row + 1..n_blocks).step_by(run).map(move |from| (row, from))).collect();
    tasks.into_par_iter().try_for_each_init(
        || Scratch::new(kernel, chunks, chunks.count() > 1),
        |scratch, (row, from)| {
            scratch.block.fill(&search.panels, row);
            (from..n_blocks.min(from + run)).try_for_each(|column| search.tile(scratch, row, column, cancel))
        },
    )?;
    search.finish(cancel).map(Some)
}

pub(super) struct Search<'a, K> {
    kernel: K,
    pub(super) rows: &'a Rows<'a>,
    pub(super) panels: Panels,
    chunks: Chunks,
    pub(super) rule: Rule,
    /// One lock for each block of rows; no thread holds two.
    lists: Vec<Mutex<Vec<List>>>,
    pub(super) limits: Limits,
}

/// The buffers of a thread.
pub(super) struct Scratch<K: Kernel> {
    session: K::Session,
    pub(super) block: Block<K::Shape>,
    /// Sums of a tile, micro-tile by micro-tile. Where no sums are kept from one chunk to the next, there is room for
    /// one column of micro-tiles, or for one micro-tile.
    pub(super) tiles: Buffer,
    row_limits: Vec<f32>,
    column_limits: Vec<f32>,
    found: Vec<u64>,
    for_rows: Vec<Pair>,
    for_columns: Vec<Pair>,
}

impl<K: Kernel> Scratch<K> {
    fn new(kernel: K, chunks: Chunks, whole: bool) -> Self {
        let (side, rows) = (K::Shape::SIDE, K::Shape::ROWS);
        let tiles = match (whole, K::APART) {
            (true, _) => side * side,
            (false, true) => side * K::Shape::WIDE,
            (false, false) => rows * K::Shape::WIDE,
        };
        Self {
            session: kernel.session(),
            block: Block::new(chunks),
            tiles: Buffer::new(tiles / COLS),
            row_limits: vec![f32::INFINITY; side],
            column_limits: vec![f32::INFINITY; side],
            found: vec![0; rows],
            for_rows: Vec::new(),
            for_columns: Vec::new(),
        }
    }
}

/// A candidate `of` for the list of row `to`.
#[derive(Debug, Clone, Copy)]
struct Pair {
    to: usize,
    of: usize,
    score: f32,
}

impl<K: Kernel> Search<'_, K> {
    /// Computes one tile and hands its survivors to the lists of its rows and of its columns. `scratch` holds the rows.
    fn tile(
        &self,
        scratch: &mut Scratch<K>,
        row: usize,
        column: usize,
        cancel: &Cancel,
    ) -> Result<(), Error> {
        self.limits.copy(row, &mut scratch.row_limits);
        self.limits.copy(column, &mut scratch.column_limits);
        self.product(scratch, column, true, cancel, |scratch, sums, first_row, first_column| {
            self.collect(scratch, sums, (row, first_row), (column, first_column));
        })?;
        self.offer(row, &mut scratch.for_rows);
        self.offer(column, &mut scratch.for_columns);
        Ok(())
    }

    /// Multiplies the rows that `scratch` holds with those of block `column`, and either leaves all sums in
    /// `scratch.tiles` or filters them; then `collect` gets each micro-tile in which something was found: where its
    /// values are, and its first row and column in the tile.
    pub(super) fn product(
        &self,
        scratch: &mut Scratch<K>,
        column: usize,
        filtered: bool,
        cancel: &Cancel,
        mut collect: impl FnMut(&mut Scratch<K>, usize, usize, usize),
    ) -> Result<(), Error> {
        let (rows, wide, groups) = (K::Shape::ROWS, K::Shape::WIDE, K::Shape::SIDE / K::Shape::ROWS);
        let first_panel = column * K::Shape::SIDE / COLS;
        let last_panel = self.panels.count().min(first_panel + K::Shape::SIDE / COLS);
        let last = self.chunks.count() - 1;
        let kept = scratch.tiles.len() * COLS / (rows * wide);
        for chunk in 0..=last {
            cancel.check()?;
            let steps = self.chunks.range(chunk).len();
            let passes = if K::APART && filtered && chunk == last { 2 } else { 1 };
            for (at, panel) in (first_panel..last_panel).step_by(K::Shape::PANELS).enumerate() {
                let right = self.panels.lines(chunk, panel, K::Shape::PANELS);
                let next = self.next_panels(chunk, panel + K::Shape::PANELS, (first_panel, last_panel));
                for (pass, group) in (0..passes).flat_map(|pass| (0..groups).map(move |group| (pass, group)))
                {
                    let place = (at * groups + group) % kept * (rows * wide);
                    let filter = (chunk == last && filtered && pass + 1 == passes).then_some(Filter {
                        rows: &scratch.row_limits[group * rows..][..rows],
                        columns: &scratch.column_limits[at * wide..][..wide],
                        found: &mut scratch.found,
                    });
                    let operands = if pass == 0 {
                        let left = scratch.block.cells(chunk, group);
                        // Each group of rows prefetches an equal part of the next panels.
                        let ahead = &next[group * next.len() / groups..];
                        Operands { left, right, stride: steps, steps, ahead }
                    } else {
                        Operands::NOTHING
                    };
                    let found = self.kernel.multiply(
                        &mut scratch.session,
                        operands,
                        chunk == 0 && pass == 0,
                        &mut scratch.tiles.cells_mut()[place..][..rows * wide],
                        filter,
                    );
                    if found {
                        collect(scratch, place, group * rows, at * wide);
                    }
                }
            }
        }
        Ok(())
    }

    /// The panels that a product reads after the one before `panel` of `chunk`, of those between `from` and `to`.
    fn next_panels(&self, chunk: usize, panel: usize, (from, to): (usize, usize)) -> &[Line] {
        let (chunk, panel) = match (panel < to, chunk + 1 < self.chunks.count()) {
            (true, _) => (chunk, panel),
            (false, true) => (chunk + 1, from),
            (false, false) => (0, if to < self.panels.count() { to } else { from }),
        };
        self.panels.lines(chunk, panel, K::Shape::PANELS)
    }

    /// Collects the entries of a micro-tile that reach a limit.
    fn collect(
        &self,
        scratch: &mut Scratch<K>,
        place: usize,
        (row_block, first_row): (usize, usize),
        (column_block, first_column): (usize, usize),
    ) {
        let side = K::Shape::SIDE;
        for (row, &found) in scratch.found.iter().enumerate() {
            let mut found = found;
            while found != 0 {
                let column = found.trailing_zeros() as usize;
                found &= found - 1;
                let score = f32::from_bits(scratch.tiles.cells()[place + row * K::Shape::WIDE + column]);
                let (row, column) = (first_row + row, first_column + column);
                let (i, j) = (row_block * side + row, column_block * side + column);
                // The places behind the last row hold zeros, which reach a low limit.
                if i >= self.rows.len() || j >= self.rows.len() {
                    continue;
                }
                if score >= scratch.row_limits[row] {
                    scratch.for_rows.push(Pair { to: i, of: j, score });
                }
                if score >= scratch.column_limits[column] {
                    scratch.for_columns.push(Pair { to: j, of: i, score });
                }
            }
        }
    }

    fn offer(&self, block: usize, pairs: &mut Vec<Pair>) {
        if pairs.is_empty() {
            return;
        }
        let mut lists = self.lock(block);
        for pair in pairs.drain(..) {
            let candidate = Scored { score: pair.score, id: pair.of as i32 };
            let list = &mut lists[pair.to % K::Shape::SIDE];
            list.push(self.rule, candidate, |id| self.exact(pair.to, id));
            self.limits.set(pair.to, list.limit());
        }
    }

    fn finish(&self, cancel: &Cancel) -> Result<Vec<Vec<Scored<f32>>>, Error> {
        let blocks: Vec<Vec<Vec<Scored<f32>>>> = (0..self.lists.len())
            .into_par_iter()
            .map(|block| {
                let mut lists = self.lock(block);
                let mut best = Vec::with_capacity(lists.len());
                for at in 0..lists.len() {
                    cancel.check()?;
                    // The rows of the next list lie anywhere in memory: they are prefetched while this list is decided.
                    lists.get(at + 1).into_iter().flat_map(List::waiting).for_each(|id| self.rows.fetch(id));
                    let row = block * K::Shape::SIDE + at;
                    best.push(lists[at].finish(self.rule, |id| self.exact(row, id)));
                }
                Ok(best)
            })
            .collect::<Result<_, Error>>()?;
        Ok(blocks.into_iter().flatten().collect())
    }

    pub(super) fn exact(&self, row: usize, id: i32) -> f32 {
        self.rows.similarity(row, id as usize)
    }

    pub(super) fn lock(&self, block: usize) -> MutexGuard<'_, Vec<List>> {
        // A list is poisoned only if a thread panicked; then the result is never read.
        self.lists[block].lock().unwrap_or_else(PoisonError::into_inner)
    }
}
