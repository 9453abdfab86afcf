"""Exact ranking, metrics and the evaluation protocol."""
