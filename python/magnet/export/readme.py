"""The page that lies beside exported files: what each is, how near it comes to the model, and how it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from magnet.export.folder import ExportedModel

__all__ = ["readme_text"]

_IDS = """## Ids and what was seen

Row r of `users.npy` and of every matrix over users belongs to entry r of `user_ids.json`, and likewise for items; a
list within the JSON was a tuple. The `.txt` files hold the same ids as text, one a line; an id that breaks lines or is
empty stands there as JSON. `seen.npz` (SciPy, users x items) holds what each user took in training and validation:
Magnet does not recommend it. Users without a training interaction are answered by popularity in Magnet; what stands
here for them means little."""

_SEARCH = """```python
import json
import faiss  # or usearch: Index(ndim=items.shape[1], metric="ip")
import numpy as np
import scipy.sparse as sp

users, items = np.load("users.npy"), np.load("items.npy")
item_ids, seen = json.load(open("item_ids.json")), sp.load_npz("seen.npz")
index = faiss.IndexFlatIP(items.shape[1])
index.add(items)
row = 0  # of user_ids.json
taken = set(seen[[row]].indices)
_, found = index.search(users[row : row + 1], 20 + len(taken))
print([item_ids[i] for i in found[0] if i not in taken][:20])
```"""

_ONNX = """`model.onnx` takes `users`, row numbers in int64, and `k`, one int64 in a list, and gives `items` and
`scores`, `(N, k)`, best first. Items that were seen are not left out: ask for as many more, and drop them. Sums in
float32 may differ from Magnet's in the last digit, and so may the order of items whose scores are as good as equal."""

_OPERATORS = """Each `operator-NAME.npz` is a SciPy CSR matrix W: W[j, i] is what item j of a history adds to item i,
so that scores are `history @ W`. In a mixture these are the raw scores of the cues, before they are standardised for
each user and mixed. `operator-users.npz` of a model of neighbours is users x users: scores are `W[user] @ history`."""


def readme_text(made: ExportedModel, model: str) -> str:
    """The page, in Markdown."""
    parts = [f"# {model}, exported", "Files: " + ", ".join(f"`{name}`" for name in made.files) + "."]
    if made.vectors is not None:
        named = [name for name in ("users.npy", "items.npy", "model.onnx") if name in made.files]
        parts += ["## Vectors", f"In {', '.join(f'`{name}`' for name in named)}: {made.vectors.text()}."]
        if made.vectors.kind != "exact":
            parts.append(
                "**These vectors are not the model.** For its own lists take the first hundred by them and score those "
                "with Magnet, or ask Magnet."
            )
        parts += [_SEARCH] if "users.npy" in made.files else []
        parts += [_ONNX] if "model.onnx" in made.files else []
    if made.operators is not None:
        parts += ["## Operators", f"Kept were {made.operators.text()}.", _OPERATORS]
    parts += [_IDS] if "user_ids.json" in made.files else []
    parts += ["`card.md` describes the model."] if "card.md" in made.files else []
    return "\n\n".join(parts) + "\n"
