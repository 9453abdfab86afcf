"""A fitted model for other programs: vectors for a search index, operators, ONNX, and a page that describes it."""

from magnet.export.folder import ExportedModel, export_model

__all__ = ["ExportedModel", "export_model"]
