"""Loaders under any bytes: ``python -m torture.fuzz`` fuzzes them with atheris, and the tests replay the corpus."""
