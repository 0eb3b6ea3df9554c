"""What can go wrong while training keeps running, in plain words."""

import math

from absl import logging

from config.settings import Config

WINNING_BELOW = 0.01  # mean D(G(z))
WINNING_STEPS = 500


class WinningDiscriminator:
    """Warns once when D has been spotting every fake for a long time: G then stops learning."""

    def __init__(self, config: Config, start: int):
        self.config = config
        self.last_fooled = start  # the step; infinity once the warning is out

    def warn_if_winning(self, step: int, d_fake: float) -> None:
        """d_fake: mean D(G(z)) at `step`."""
        if not d_fake < WINNING_BELOW:  # NaN too
            self.last_fooled = step
        if step - self.last_fooled < WINNING_STEPS:
            return

        self.last_fooled = math.inf
        logging.warning(
            "D(G(z)) has been below %s for %s steps: the discriminator is winning. If the grids no "
            "longer change, start another run with --g_updates=%s or half the --learning_rate.",
            *(WINNING_BELOW, WINNING_STEPS, self.config.g_updates + 1),
        )
