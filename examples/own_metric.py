"""Metrics of your own: any function of rankings and a cut-off.

python examples/own_metric.py
"""

import numpy as np

import magnet
from magnet.evaluate import Rankings


@magnet.register_metric
def mrr(rankings: Rankings, k: int) -> np.ndarray:
    """One over the place of the first hit among the first k, 0 without one; a value for each user."""
    hits = rankings.hits[:, :k]  # (B, k)
    return np.where(hits.any(axis=1), 1 / (1 + hits.argmax(axis=1)), 0.0)


def found_all(rankings: Rankings, k: int) -> np.ndarray:
    """1 where every relevant item stands among the first k."""
    return rankings.n_hits[:, k - 1] == rankings.n_relevant


def main() -> None:
    """A registered metric is asked for by its name; any other function is passed as it is."""
    dataset = magnet.synthetic.generate("tiny").dataset
    model = magnet.EASE(regularization=50.0).fit(dataset)
    found = model.evaluate(dataset, metrics=["recall", "mrr", found_all], ks=[10, 20])
    print(found)
    worst = found.users[found.per_user["mrr@20"].argmin()]
    print(f"worst by mrr@20: {dataset.user_ids[worst]}")


if __name__ == "__main__":
    main()
