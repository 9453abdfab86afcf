"""Experiments: many runs compared in one call, kept in one store, none of them made twice."""
