"""Signals: what one graph says of a user and an item. Nothing in them is trained by gradient."""

from magnet.models.signals.base import SIGNALS, Signal, modality_of, register_signal

__all__ = ["SIGNALS", "Signal", "modality_of", "register_signal"]
