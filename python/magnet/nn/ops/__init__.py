"""Operators with gradients: what torch lacks, or does slower. They call the Rust core on the CPU."""
