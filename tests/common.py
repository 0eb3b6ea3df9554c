"""What tests everywhere need: the repository's folder, and settings so small that a step takes
milliseconds.
"""

from pathlib import Path

ROOT = Path(__file__).parents[1]

# For 16x16 images and narrow networks.
TINY = {
    "output_height": 16,
    "c_dim": 3,
    "stem_width": 32,
    "z_dim": 8,
    "batch_size": 8,
    "mixed_precision": "float32",
    "eval_freq": 0,
}
