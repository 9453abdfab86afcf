//! The upper triangle of the similarity, tile by tile, each filtered for its rows and for its columns while in cache.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rayon::prelude::*;

use super::bound::filter_error;
use super::candidates::{List, Rule};
use super::panels::{Block, COLUMN_STEPS, Chunks, Panels, ROW_STEPS, SIDE};
use super::rows::Rows;
use super::tile::{COLS, Line, ROWS, Tile, TileOps};
use crate::kernels::cancel::Cancel;
use crate::kernels::error::Error;
use crate::kernels::topk::Scored;

/// Tiles of a block row that one task handles: enough to pay for packing the rows, few enough to share out.
const RUN: usize = 8;

/// The k nearest distinct rows of each distinct row, best first. The numbers are those of `rows`.
pub(super) fn search<T: TileOps>(
    ops: T,
    rows: &Rows<'_>,
    k: usize,
    cancel: &Cancel,
) -> Result<Vec<Vec<Scored<f32>>>, Error> {
    let chunks = Chunks::new(rows.width());
    let rule = Rule { k, error: filter_error(rows.width(), chunks.longest(), chunks.count()) };
    let n_blocks = rows.len().div_ceil(SIDE);
    let lists = (0..n_blocks)
        .map(|block| {
            Mutex::new((block * SIDE..rows.len().min((block + 1) * SIDE)).map(|_| List::new()).collect())
        })
        .collect();
    let search = Search { ops, rows, panels: Panels::new(rows, cancel)?, chunks, rule, lists };
    let scratch = || Scratch::new(chunks);
    // The diagonal first: it gives every list a limit, without which whole tiles would be candidates.
    (0..n_blocks).into_par_iter().try_for_each_init(scratch, |scratch, block| {
        scratch.block.fill(&search.panels, block);
        search.tile(scratch, block, block, cancel)
    })?;
    let tasks: Vec<(usize, usize)> =
        (0..n_blocks).flat_map(|row| (row + 1..n_blocks).step_by(RUN).map(move |from| (row, from))).collect();
    tasks.into_par_iter().try_for_each_init(scratch, |scratch, (row, from)| {
        scratch.block.fill(&search.panels, row);
        (from..n_blocks.min(from + RUN)).try_for_each(|column| search.tile(scratch, row, column, cancel))
    })?;
    search.finish(cancel)
}

struct Search<'a, T> {
    ops: T,
    rows: &'a Rows<'a>,
    panels: Panels,
    chunks: Chunks,
    rule: Rule,
    /// One lock for each block of rows; no thread holds two.
    lists: Vec<Mutex<Vec<List>>>,
}

/// What a thread works in.
struct Scratch {
    block: Block,
    /// Partial sums of a tile, one chunk after another; a single micro-tile where there is one chunk only.
    tiles: Vec<Tile>,
    row_limits: Vec<[f32; ROWS]>,
    column_limits: Vec<Line>,
    for_rows: Vec<Pair>,
    for_columns: Vec<Pair>,
}

impl Scratch {
    fn new(chunks: Chunks) -> Self {
        let tiles = if chunks.count() == 1 { 1 } else { ROW_STEPS * COLUMN_STEPS };
        Self {
            block: Block::new(chunks),
            tiles: vec![[Line::ZERO; ROWS]; tiles],
            row_limits: vec![[f32::INFINITY; ROWS]; ROW_STEPS],
            column_limits: vec![Line([f32::INFINITY; COLS]); COLUMN_STEPS],
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

impl<T: TileOps> Search<'_, T> {
    /// Computes one tile and hands its survivors to the lists of its rows and of its columns. `scratch` holds the rows.
    fn tile(&self, scratch: &mut Scratch, row: usize, column: usize, cancel: &Cancel) -> Result<(), Error> {
        cancel.check()?;
        let limits = |block| self.lock(block).iter().map(List::limit).collect::<Vec<_>>();
        spread(&limits(row), scratch.row_limits.as_flattened_mut());
        let column_limits = limits(column);
        for (line, limits) in scratch.column_limits.iter_mut().zip(0..) {
            spread(column_limits.get(limits * COLS..).unwrap_or_default(), &mut line.0);
        }
        let last = self.chunks.count() - 1;
        for chunk in 0..=last {
            for column_step in 0..COLUMN_STEPS.min(self.panels.len() - column * COLUMN_STEPS) {
                let lines = self.panels.lines(column * COLUMN_STEPS + column_step, self.chunks.range(chunk));
                // On the diagonal only pairs above it count.
                let row_steps =
                    if row == column { ((column_step + 1) * COLS).div_ceil(ROWS) } else { ROW_STEPS };
                for row_step in 0..row_steps {
                    let place = if last == 0 { 0 } else { column_step * ROW_STEPS + row_step };
                    let tile = &mut scratch.tiles[place];
                    if chunk == 0 {
                        *tile = [Line::ZERO; ROWS];
                    }
                    self.ops.accumulate(scratch.block.values(chunk, row_step), lines, tile);
                    if chunk == last
                        && self.ops.reaches(
                            tile,
                            &scratch.row_limits[row_step],
                            &scratch.column_limits[column_step],
                        )
                    {
                        let corner = (row * SIDE + row_step * ROWS, column * SIDE + column_step * COLS);
                        self.collect(scratch, place, corner);
                    }
                }
            }
        }
        self.offer(row, &mut scratch.for_rows);
        self.offer(column, &mut scratch.for_columns);
        Ok(())
    }

    /// Notes the entries of a micro-tile that reach a limit.
    fn collect(&self, scratch: &mut Scratch, place: usize, (first_row, first_column): (usize, usize)) {
        let row_limits = &scratch.row_limits[first_row % SIDE / ROWS];
        let column_limits = &scratch.column_limits[first_column % SIDE / COLS].0;
        for ((row, line), &row_limit) in
            (first_row..self.rows.len()).zip(&scratch.tiles[place]).zip(row_limits)
        {
            for ((column, &score), &column_limit) in
                (first_column..self.rows.len()).zip(&line.0).zip(column_limits)
            {
                if column > row {
                    if score >= row_limit {
                        scratch.for_rows.push(Pair { to: row, of: column, score });
                    }
                    if score >= column_limit {
                        scratch.for_columns.push(Pair { to: column, of: row, score });
                    }
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
            lists[pair.to % SIDE].push(self.rule, candidate, |id| self.exact(pair.to, id));
        }
    }

    fn finish(&self, cancel: &Cancel) -> Result<Vec<Vec<Scored<f32>>>, Error> {
        let blocks: Vec<Vec<Vec<Scored<f32>>>> = (0..self.lists.len())
            .into_par_iter()
            .map(|block| {
                let mut lists = self.lock(block);
                lists
                    .iter_mut()
                    .zip(block * SIDE..)
                    .map(|(list, row)| {
                        cancel.check()?;
                        Ok(list.finish(self.rule, |id| self.exact(row, id)))
                    })
                    .collect()
            })
            .collect::<Result<_, Error>>()?;
        Ok(blocks.into_iter().flatten().collect())
    }

    fn exact(&self, row: usize, id: i32) -> f32 {
        self.rows.similarity(self.ops, row, id as usize)
    }

    fn lock(&self, block: usize) -> MutexGuard<'_, Vec<List>> {
        // A poisoned list can only mean that a thread panicked, and then nobody reads the result.
        self.lists[block].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Copies limits; where rows are missing nothing reaches the limit.
fn spread(limits: &[f32], into: &mut [f32]) {
    let n = limits.len().min(into.len());
    into[..n].copy_from_slice(&limits[..n]);
    into[n..].fill(f32::INFINITY);
}
