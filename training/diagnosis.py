"""What can go wrong while training keeps running, in plain words."""

import math

from absl import logging

from config.settings import Config

WINNING_BELOW = 0.01  # mean D(G(z))
WINNING_STEPS = 500
LOST_DIVERSITY = 0.3  # of that at the best evaluation: collapse
LITTLE_DIVERSITY = 0.3  # of the reals': the faces in docs/evaluation.md had 0.43 after 300 steps
WORSE = 1.2  # times the best score, at WORSE_EVALUATIONS in a row: it gets worse
WORSE_EVALUATIONS = 3
PATIENCE = 5  # evaluations without a better one


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


class Verdict:
    """Says at each evaluation how a run is doing; warns, once per occurrence, of what goes wrong.

    An evaluation is an entry of `evaluate.monitor.Monitor.history`: step, frechet, vendi.
    """

    def __init__(self, config: Config):
        self.config = config
        self.warned = ""  # the warning that the last evaluation gave

    def announce_evaluation(self, history: list[dict], floor: float) -> str:
        """Returns the verdict in words.

        history: the evaluations so far, the newest last. floor: the score that reals get.
        """
        entry, best = history[-1], min(history, key=lambda e: e["frechet"])
        verdict, warning = judge_evaluations(history)
        place = "the best so far" if best is entry else f"best: {best['frechet']:.1f} at step "
        place += "" if best is entry else f"{best['step']:,}"
        logging.info(
            "step %s: Frechet distance %.1f, %.0f times its floor (%s), diversity %.0f%%: %s.",
            *(f"{entry['step']:,}", entry["frechet"], entry["frechet"] / floor, place),
            *(100 * entry["vendi"], verdict),
        )
        if warning and warning != self.warned:
            logging.warning(warning, self.config.run_dir, f"{best['step']:,}")
        self.warned = warning
        return verdict


def judge_evaluations(history: list[dict]) -> tuple[str, str]:
    """(the verdict in a few words, the warning that goes with it, or "").

    A warning takes the run's folder and the step of its best checkpoint.
    """
    entry, best = history[-1], min(history, key=lambda e: e["frechet"])
    recent = history[-WORSE_EVALUATIONS:]
    after_best = sum(e["step"] > best["step"] for e in history)
    lost = 1 - entry["vendi"] / max(best["vendi"], 1e-9)
    is_worse = entry["frechet"] > WORSE * best["frechet"]

    if is_worse and lost > LOST_DIVERSITY:
        return f"collapsing, {lost:.0%} of the diversity lost since step {best['step']:,}", (
            "%s is collapsing: its images become alike. The checkpoint of step %s is in best/: "
            "draw with --checkpoint=best, or start another run with half the --learning_rate."
        )
    if after_best >= WORSE_EVALUATIONS and all(
        e["frechet"] > WORSE * best["frechet"] for e in recent
    ):
        return "getting worse", (
            "%s has been getting worse since step %s, whose checkpoint is in best/. Stop it, and "
            "draw with --checkpoint=best."
        )
    if after_best >= PATIENCE:
        return f"no better for {after_best} evaluations", (
            "%s is no better than at step %s, whose checkpoint is in best/. Ctrl-C stops it; it "
            "may still improve."
        )
    if len(history) == 1:
        return "too early for a verdict", ""
    if entry["vendi"] < LITTLE_DIVERSITY:
        return "little diversity yet", ""
    return "healthy", ""
