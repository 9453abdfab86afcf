"""Metrics of your own: any function of rankings and a cut-off.

python examples/own_metric.py
"""

import numpy as np

import magnet
from magnet.evaluate import Rankings, aggregate


@magnet.register_metric
def rbp(rankings: Rankings, k: int) -> np.ndarray:
    """Rank-biased precision of a reader who goes on to the next place with a chance of .8; a value for each user."""
    weights = 0.2 * 0.8 ** np.arange(k)  # (k,)
    return rankings.hits[:, :k] @ weights


@magnet.register_metric
@aggregate
def shown_twice(rankings: Rankings, k: int) -> float:
    """The share of the catalogue that at least two users get to see: one number for all lists together."""
    shown = rankings.items[:, :k]
    times = np.bincount(shown[shown >= 0], minlength=rankings.n_items)
    return float((times >= 2).mean())


def found_all(rankings: Rankings, k: int) -> np.ndarray:
    """1 where every relevant item stands among the first k."""
    return rankings.n_hits[:, k - 1] == rankings.n_relevant


def main() -> None:
    """A registered metric is asked for by its name; any other function is passed as it is."""
    dataset = magnet.synthetic.generate("tiny").dataset
    model = magnet.EASE(regularization=50.0).fit(dataset)
    found = model.evaluate(dataset, metrics=["recall", "rbp", "shown_twice", found_all], ks=[10, 20])
    print(found)
    worst = found.users[found.per_user["rbp@20"].argmin()]
    print(f"worst by rbp@20: {dataset.user_ids[worst]}")


if __name__ == "__main__":
    main()
