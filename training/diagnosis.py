"""Says in plain words, from a run's scores, what goes wrong while training keeps running.

Some numbers come from trial runs; docs/evaluation.md has the measurements.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from absl import logging

from config.settings import Config
from runs.best import find_best_scored_entry
from runs.checkpoints import DivergedError

LOUD_LOGIT = 50.0  # mean of D's logits; healthy runs had up to 4, a learning rate of 1 had 1,253
LOST_DIVERSITY = 0.3  # share of the diversity at the best evaluation: losing more is a collapse
LITTLE_DIVERSITY = 0.3  # of the reals'; the faces in docs/evaluation.md had 0.43 after 300 steps
COPYING_RATIO = 0.6  # healthy runs have 1.2 or more; 600 steps on eight images gave 0.5
NEARER = 0.9  # of distances to held-out images; healthy runs on digits have 0.99, on 70 digits 0.86
UNSEEN_GAP = 0.6  # ADA's target; digits have 0.1, a set of 70 digits 0.6 after 500 steps, then 1
SURE_ACCURACY = 0.98  # of pairs; healthy runs on digits reach it, with a fake logit of only -1.9
SURE_LOGIT = -4.6  # D(G(z)) = 0.01
GUESSING_ACCURACY = 0.6  # mean over ROW evaluations; healthy runs without labels had 0.75 or more
FOOLED_ACCURACY = 0.1  # the same, for a D that takes fakes for reals; a frozen D has 0
POOR_SCORE = 20.0  # times the floor; healthy MNIST with labels has 11, and 0.6 of pairs right
ROW = 3  # evaluations in a row that a sign of D has to last, without progress in the score
GAIN = 0.9  # times the best earlier score: only a lower score is a gain
WORSE = 1.2  # times the best score, at ROW evaluations in a row: getting worse
PATIENCE = 5  # evaluations without a better one
# The losses for which a sign based on D's logits was measured or means the same. With others, it
# may mean nothing: only in "bce" is D's output a probability; "wgan" and "relativistic" let logits
# drift.
LOSSES_OF_SIGNS = {"diverging": ("bce", "hinge", "lsgan"), "D too strong": ("bce",)}
ENDING_SIGNS = ("diverging", "collapsing")  # that --on_collapse acts on


class CollapsedError(DivergedError):
    """A run has collapsed or diverged, and must go back to its best checkpoint."""


class Evaluations(NamedTuple):
    """history: entries of `evaluate.monitor.Monitor.history`, the newest last; some lack scores.

    best: the entry with the best score, or None; since_best: how many came after it. floor: the
    score of reals against reals, or None if there are too few of them now.
    """

    history: list[dict]
    best: dict | None
    since_best: int
    floor: float | None

    @property
    def last(self) -> dict:
        return self.history[-1]

    @property
    def stands_still(self) -> bool:
        """Whether the last ROW scores are no gain over those before."""
        scores = [entry["frechet"] for entry in self.history if "frechet" in entry]
        return len(scores) > ROW and min(scores[-ROW:]) > GAIN * min(scores[:-ROW])

    def list_recent_values(self, name: str) -> list[float]:
        """The values of a score at the last ROW evaluations; [] if one of them lacks it."""
        values = [entry.get(name) for entry in self.history[-ROW:]]
        return values if len(values) == ROW and None not in values else []


class Sign(NamedTuple):
    """A way in which a run goes wrong.

    describe: returns the verdict, or "" if the run shows no sign of it. advice: the warning, with
    placeholders that `advise_on_verdict` fills.
    """

    name: str
    describe: Callable[[Evaluations], str]
    advice: str


class Verdict:
    """Says at each evaluation how a run is doing; warns once each time something goes wrong."""

    def __init__(self, config: Config):
        self.config = config
        self.ends_training = False  # whether --on_collapse=stop has found a reason

    def announce_training_verdict(self, history: list[dict], floor: float | None) -> str:
        """Returns the verdict in words; arguments as in `Evaluations`.

        Raises CollapsedError when the run must go back to its best checkpoint.
        """
        metric, signs = self.config.eval_metric, list_signs_for_loss(self.config.loss)
        evaluations = summarise_training_evaluations(history, floor, metric)
        sign, words = judge_training_by_scores(evaluations, signs)
        step = f"{evaluations.last['step']:,}"
        scores = describe_last_scores(evaluations, metric)
        logging.info("step %s: %s: %s.", step, scores, words)
        earlier = summarise_training_evaluations(history[:-1], floor, metric)
        before = history[:-1] and judge_training_by_scores(earlier, signs)[0]
        has_ended = sign is not None and sign.name in ENDING_SIGNS
        if has_ended and self.config.on_collapse == "restore":
            raise CollapsedError(f"{self.config.run_dir} at step {step}: {words}.")
        if sign and sign != before and sign.advice:
            logging.warning("%s", advise_on_verdict(self.config, sign, evaluations))
        self.ends_training = has_ended and self.config.on_collapse == "stop"
        return words


def summarise_training_evaluations(
    history: list[dict], floor: float | None, metric: str = "frechet"
) -> Evaluations:
    """metric: the score that decides which evaluation is the best."""
    scored = [entry for entry in history if "frechet" in entry]
    best = find_best_scored_entry(scored, metric)
    since_best = sum(entry["step"] > best["step"] for entry in scored) if best else 0
    return Evaluations(history, best, since_best, floor)


def judge_training_by_scores(
    evaluations: Evaluations, signs: Sequence[Sign] | None = None
) -> tuple[Sign | None, str]:
    """The most severe sign of the newest evaluation, or None, and the verdict in a few words.

    signs: those to look for, the most severe first; default: all.
    """
    for sign in SIGNS if signs is None else signs:
        if words := sign.describe(evaluations):
            return sign, words
    if "frechet" not in evaluations.last:
        return None, "no verdict on so few images"
    return None, "healthy" if len(evaluations.history) > 1 else "too early for a verdict"


def describe_divergence(evaluations: Evaluations) -> str:
    """D's logits are far larger than any loss calls for."""
    logits = [evaluations.last.get(name, 0.0) for name in ("real_logit", "fake_logit")]
    loudest = max(map(abs, logits))
    return f"diverging, D's logits at {loudest:,.0f}" if loudest > LOUD_LOGIT else ""


def describe_collapse(evaluations: Evaluations) -> str:
    last, best = evaluations.last, evaluations.best
    if not best or not is_worse_than_best(last, best):
        return ""
    lost = 1 - last["vendi"] / max(best["vendi"], 1e-9)
    since = f"{lost:.0%} of the diversity lost since step {best['step']:,}"
    return f"collapsing, {since}" if lost > LOST_DIVERSITY else ""


def describe_copying_in_verdict(evaluations: Evaluations) -> str:
    """Fakes are too close to training images, or D can tell these from images that it never saw.

    Early fakes, all alike, may be near to many images, as their average is: they are no copies.
    """
    last = evaluations.last
    is_varied = last.get("vendi", 1.0) >= LITTLE_DIVERSITY
    is_near = last.get("nearest_ratio", 1.0) < COPYING_RATIO
    if (is_near and is_varied) or last.get("held_out_ratio", 1.0) < NEARER:
        return "memorising"
    is_guessing = last.get("pair_accuracy", 1.0) < GUESSING_ACCURACY  # gap and span are then noise
    if "held_out_logit" not in last or is_guessing:
        return ""

    # ADA's r_v (Karras et al. 2020): 0 if D takes unseen images for reals, 1 if for fakes.
    gap, span = (last["real_logit"] - last[name] for name in ("held_out_logit", "fake_logit"))
    is_gap_wide = span > 0 and gap > UNSEEN_GAP * span
    return "memorising, D takes unseen images for fakes" if is_gap_wide else ""


def describe_winning_discriminator(evaluations: Evaluations) -> str:
    """D spots every fake, and G no longer improves. (While G improves, D may be that strong.)"""
    accuracies, logits = map(evaluations.list_recent_values, ("pair_accuracy", "fake_logit"))
    is_sure = accuracies and min(accuracies) > SURE_ACCURACY and max(logits) < SURE_LOGIT
    return "D too strong" if is_sure and evaluations.stands_still else ""


def describe_sleeping_discriminator(evaluations: Evaluations) -> str:
    """D cannot tell fakes from reals, although the fakes are poor: D is fooled, or it guesses and
    the fakes no longer improve.
    """
    accuracies, scores = map(evaluations.list_recent_values, ("pair_accuracy", "frechet"))
    floor = evaluations.floor  # None for scores of before, once the images have become too few
    if not accuracies or not scores or floor is None or min(scores) < POOR_SCORE * floor:
        return ""
    accuracy = sum(accuracies) / ROW
    is_guessing = accuracy < GUESSING_ACCURACY and evaluations.stands_still
    return "D asleep" if is_guessing or accuracy < FOOLED_ACCURACY else ""


def describe_worsening(evaluations: Evaluations) -> str:
    recent = evaluations.history[-ROW:]
    is_worse = evaluations.since_best >= ROW and all(
        is_worse_than_best(entry, evaluations.best) for entry in recent
    )
    return "getting worse" if is_worse else ""


def describe_standstill(evaluations: Evaluations) -> str:
    count = evaluations.since_best
    return f"no better for {count} evaluations" if count >= PATIENCE else ""


def describe_little_diversity(evaluations: Evaluations) -> str:
    has_little = "frechet" in evaluations.last and evaluations.last["vendi"] < LITTLE_DIVERSITY
    return "little diversity yet" if has_little and len(evaluations.history) > 1 else ""


def is_worse_than_best(entry: dict, best: dict) -> bool:
    return "frechet" in entry and entry["frechet"] > WORSE * best["frechet"]


SIGNS = (  # the most severe first
    Sign(
        "diverging",
        describe_divergence,
        "{run} is diverging: D's logits are out of bounds. {best}Start another run with "
        "--learning_rate={half_rate:g}.",
    ),
    Sign(
        "collapsing",
        describe_collapse,
        "{run} is collapsing: its images are becoming alike. {best}Or start another run with "
        "--learning_rate={half_rate:g}.",
    ),
    Sign(
        "memorising",
        describe_copying_in_verdict,
        "{run} is memorising its training images. Give it {more}, or end it earlier with --steps.",
    ),
    Sign(
        "D too strong",
        describe_winning_discriminator,
        "{run}: the discriminator spots every fake, and the images no longer improve. {best}"
        "Or start another run with {weaker}, or with --learning_rate={half_rate:g}.",
    ),
    Sign(
        "D asleep",
        describe_sleeping_discriminator,
        "{run}: the discriminator no longer tells fakes from reals, though the fakes are poor. "
        "{best}Or start another run with --learning_rate={half_rate:g}, or with {stronger}.",
    ),
    Sign(
        "getting worse",
        describe_worsening,
        "{run} has been getting worse since step {best_step:,}. {best}Stop it.",
    ),
    Sign(
        "no better",
        describe_standstill,
        "{run} is no better than at step {best_step:,}. {best}It may still improve; Ctrl-C stops "
        "it.",
    ),
    Sign("little diversity", describe_little_diversity, ""),
)


def list_signs_for_loss(loss: str) -> list[Sign]:
    """SIGNS, without those based on logits that mean something else with this loss."""
    return [sign for sign in SIGNS if loss in LOSSES_OF_SIGNS.get(sign.name, (loss,))]


def advise_on_verdict(config: Config, sign: Sign, evaluations: Evaluations) -> str:
    """The sign's advice for this run."""
    step = evaluations.best["step"] if evaluations.best else 0
    d_updates, g_updates = config.d_updates, config.g_updates
    return sign.advice.format(
        run=config.run_dir,
        best_step=step,
        best=f"The checkpoint of step {step:,} is in best/: draw from it with --checkpoint=best. "
        * bool(step),
        half_rate=config.current_learning_rate / 2,
        more="more images, or --augment=diffaugment" if config.augment == "none" else "more images",
        weaker=f"--d_updates={d_updates - 1}" if d_updates > 1 else f"--g_updates={g_updates + 1}",
        stronger=f"--g_updates={g_updates - 1}"
        if g_updates > 1
        else f"--d_updates={d_updates + 1}",
    )


def describe_last_scores(evaluations: Evaluations, metric: str = "frechet") -> str:
    """The newest scores in words; metric: the score that decides which evaluation is the best."""
    last, words = evaluations.last, []
    if "frechet" in last:
        times = last["frechet"] / evaluations.floor
        words.append(f"Frechet distance {last['frechet']:.1f}, {times:.0f} times its floor")
        if metric != "frechet" and metric in last:
            words.append(f"{metric} {last[metric]:.4g}")
        words[-1] += _describe_best_of_scores(evaluations, metric)

    words.append(f"diversity {last['vendi']:.0%}")
    if "nearest_ratio" in last and "frechet" not in last:
        times = f"{last['nearest_ratio']:.2f} times"
        words.append(f"fakes {times} as far from the nearest real image as reals are")
    if "pair_accuracy" in last:
        words.append(f"D right in {last['pair_accuracy']:.0%} of pairs")
    return ", ".join(words)


def _describe_best_of_scores(evaluations: Evaluations, metric: str) -> str:
    """` (best: 60.0 at step 100)`; empty if no evaluation has a score of `metric`."""
    last, best = evaluations.last, evaluations.best
    if not best:
        return ""
    value = f"{best[metric]:.1f}" if metric == "frechet" else f"{best[metric]:.4g}"
    place = "the best so far" if best is last else f"best: {value} at step {best['step']:,}"
    return f" ({place})"
