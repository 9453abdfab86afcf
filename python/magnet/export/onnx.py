"""Vectors and the search over them as an ONNX model, which needs neither Magnet nor torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from magnet.errors import MissingExtraError

if TYPE_CHECKING:
    from pathlib import Path

    from magnet.export.vectors import Vectors

__all__ = ["write_onnx"]

_OPSET, _IR = 17, 9
"""Of 2022: runtimes of the last years read it."""
_INLINE = 1 << 30
"""Bytes of tables up to which they lie in the model's file; protobuf holds no more than 2 GB."""


def write_onnx(folder: Path, vectors: Vectors, *, model: str) -> list[str]:
    """Write ``model.onnx``: from user indices and a length to the best items of each and their scores.

    Inputs are ``users``, ``(N,)`` int64, and ``k``, ``(1,)`` int64. Outputs are ``items``, ``(N, k)`` int64, best
    first, the lower index first among equals, and ``scores``, ``(N, k)`` float32. Seen items are not left out: ask for
    as many more, and drop them.

    Args:
        folder: Where to.
        vectors: Of users and items.
        model: The model's name, for the description.

    Returns:
        Names of the files: tables of more than a gigabyte lie beside the model.

    Raises:
        MissingExtraError: If onnx is not installed.
    """
    try:
        import onnx
        from onnx import TensorProto, helper, numpy_helper
    except ImportError:
        raise MissingExtraError("an export to ONNX needs onnx: pip install 'magnet-rec[onnx]'") from None

    def value(name: str, kind: int, shape: list[Any]) -> Any:
        return helper.make_tensor_value_info(name, kind, shape)

    tables = [
        numpy_helper.from_array(np.ascontiguousarray(vectors.users), "user_vectors"),
        numpy_helper.from_array(np.ascontiguousarray(vectors.items.T), "item_vectors"),  # (D, I)
    ]
    nodes = [
        helper.make_node("Gather", ["user_vectors", "users"], ["rows"], axis=0),
        helper.make_node("MatMul", ["rows", "item_vectors"], ["all_scores"]),
        helper.make_node("TopK", ["all_scores", "k"], ["scores", "items"], axis=1, largest=1, sorted=1),
    ]
    graph = helper.make_graph(
        nodes,
        "recommend",
        [value("users", TensorProto.INT64, ["N"]), value("k", TensorProto.INT64, [1])],
        [value("items", TensorProto.INT64, ["N", "K"]), value("scores", TensorProto.FLOAT, ["N", "K"])],
        initializer=tables,
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], producer_name="magnet")
    made.ir_version = _IR
    made.doc_string = f"{model}: {vectors.text()}"
    aside = vectors.users.nbytes + vectors.items.nbytes > _INLINE
    onnx.save_model(
        made,
        str(folder / "model.onnx"),
        save_as_external_data=aside,
        all_tensors_to_one_file=True,
        location="model.onnx.data",
    )
    return ["model.onnx", "model.onnx.data"] if aside else ["model.onnx"]
