"""Slow versions that are obviously right, to compare with."""
