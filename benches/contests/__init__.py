"""The contests of `benches/rivals.py`: one module per kernel, the same work done by Magnet and by others."""
