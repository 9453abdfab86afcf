"""A small shop with titles, categories and prices, and models fitted to it, each once in a process."""

from __future__ import annotations

import dataclasses
import functools

import polars as pl

import magnet
from magnet.synthetic.generator import generate
from support.quick import CONTROLLER, MIXING

CATEGORIES = ["tea", "cup", "pot", None]


@functools.cache
def shop():
    """240 users, 160 items; categories in turn, every fourth item without, and prices from 0 to 19."""
    data = generate("tiny", seed=0).dataset
    table = pl.DataFrame(
        {
            "category": [CATEGORIES[i % 4] for i in range(data.n_items)],
            "price": [float(i % 20) for i in range(data.n_items)],
        }
    )
    return dataclasses.replace(data, titles=[f"T{i}" for i in range(data.n_items)], item_table=table)


_QUICK = {
    "lightgcn": {"dim": 8, "train": {"epochs": 8, "batch_size": 256}},
    "magnet": {
        "dim": 8,
        "train": {"epochs": 2, "batch_size": 512},
        "controller": CONTROLLER,
        "mixing": MIXING,
    },
}


@functools.cache
def fitted(name):
    """A model of the shop; nobody may change it."""
    return magnet.Recommender(name, **_QUICK.get(name, {})).fit(shop(), progress=False)
