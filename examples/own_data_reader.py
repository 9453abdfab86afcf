"""A format of your own: a reader turns a path into a data set, and the command and `magnet evaluate` read it too.

    python examples/own_data_reader.py

The format here is one JSON document with baskets and product texts, as a small shop may export it.
"""

import json
import tempfile
from pathlib import Path

import polars as pl

import magnet


def read_shop(path: Path, *, split: str, modalities, user, item, seed: int) -> magnet.Dataset:
    """Read a shop's export. The options are those of Dataset.from_folder; what a reader cannot do it refuses."""
    if user is not None or item is not None:
        raise magnet.errors.DataError(f"{path}: a shop's export has no columns to name with user= or item=")
    shop = json.loads(path.read_text(encoding="utf-8"))
    pairs = [(who, what) for who, basket in shop["baskets"].items() for what in basket]
    looks = {"colour": {name: product["colour"] for name, product in shop["products"].items()}}
    return magnet.Dataset.from_frame(
        pl.DataFrame(pairs, schema=["user", "item"], orient="row"),
        # Where nothing is said, the command asks for a column called split; an export has none.
        split="random" if split == "split" else split,
        features={name: looks[name] for name in (modalities or looks)},
        titles={name: product["title"] for name, product in shop["products"].items()},
        seed=seed,
        name=path.stem,
    )


magnet.register_reader("shop", read_shop, suffixes=[".shop"])


def write_example(path: Path) -> Path:
    """A shop of 30 customers and 12 products."""
    products = {f"p{n:02d}": {"title": f"Product {n}", "colour": [n % 3, n % 4, 1.0]} for n in range(12)}
    baskets = {f"c{n:02d}": [f"p{(n * 5 + step * step) % 12:02d}" for step in range(6)] for n in range(30)}
    path.write_text(json.dumps({"baskets": baskets, "products": products}), encoding="utf-8")
    return path


def main() -> None:
    """Read, train, and let the run find its data again."""
    with tempfile.TemporaryDirectory() as folder:
        path = write_example(Path(folder) / "march.shop")
        dataset = magnet.Dataset.read(path)
        print(dataset)
        model = magnet.EASE(regularization=5.0).fit(dataset, folder=Path(folder) / "run")
        print(model.recommend(["c00"], 3))
        print(magnet.Dataset.from_source(dataset.source).content_hash == dataset.content_hash)
        # magnet --import examples/own_data_reader.py train --data march.shop --model ease --out run


if __name__ == "__main__":
    main()
