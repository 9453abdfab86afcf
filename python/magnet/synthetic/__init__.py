"""Generated data with planted truth, and how well it could be done."""

from magnet.synthetic.generator import CUES, GROUPS, Synthetic, Truth, generate
from magnet.synthetic.write import read_truth, write_folder

__all__ = ["CUES", "GROUPS", "Synthetic", "Truth", "generate", "read_truth", "write_folder"]
