"""The words that an option may be, once for Python and for the command.

The command needs them to print its help, so this module imports nothing.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

__all__ = ["Difficulty", "Exported", "HeldOut", "ListFormat", "Part", "Protocol", "Size", "Unknown"]

Part: TypeAlias = Literal["train", "valid", "test"]
"""Parts of the split."""

HeldOut: TypeAlias = Literal["valid", "test"]
"""The parts that can be evaluated."""

Protocol: TypeAlias = Literal["strict", "mmrec"]
"""What an evaluation masks, and which users count."""

Unknown: TypeAlias = Literal["error", "skip", "popular"]
"""What to do about ids that the model has never seen."""

Size: TypeAlias = Literal["tiny", "demo"]
"""Of generated data."""

Difficulty: TypeAlias = Literal["easy", "standard", "hard"]
"""Of generated features: their ratio of signal to noise."""

ListFormat: TypeAlias = Literal["csv", "parquet", "json"]
"""Of recommendations in a file."""

Exported: TypeAlias = Literal["vectors", "operators", "onnx", "card"]
"""What a model can be exported as."""
