"""Problems that do not stop training, in made-up histories; test_verdicts.py has real runs."""

import dataclasses

import pytest

from losses import LOSSES
from training.diagnosis import (
    SIGNS,
    CollapsedError,
    Verdict,
    judge_training_by_scores,
    list_signs_for_loss,
    summarise_training_evaluations,
)

FLOOR = 2.0
STILL = [(60, 0.5), (58, 0.5), (59, 0.5), (61, 0.5)]  # gains less than a tenth
GAINS = [(60, 0.5), (50, 0.5), (45, 0.5), (40, 0.5)]


def evaluations(*scores, **others):
    """Entries of (frechet, vendi), 100 steps apart; others: further scores, one value for all
    entries or one for each.
    """
    history = []
    for number, (frechet, vendi) in enumerate(scores):
        entry = {"step": 100 * (number + 1), "frechet": frechet, "vendi": vendi}
        for name, values in others.items():
            entry[name] = values[number] if isinstance(values, list) else values
        history.append(entry)
    return history


def judge(history):
    """(the name of the sign or "", the verdict)."""
    sign, words = judge_training_by_scores(summarise_training_evaluations(history, FLOOR))
    return sign.name if sign else "", words


def judge_by_loss(loss, history):
    summary = summarise_training_evaluations(history, FLOOR)
    sign, _ = judge_training_by_scores(summary, list_signs_for_loss(loss))
    return sign.name if sign else ""


@pytest.mark.parametrize("loss", LOSSES)
def test_logits_may_drift_where_only_their_differences_count(loss):
    history = evaluations((90, 0.9), (80, 0.9), real_logit=900.0, fake_logit=899.0)
    is_drifting = loss in ("wgan", "relativistic")
    assert judge_by_loss(loss, history) == ("" if is_drifting else "diverging")


@pytest.mark.parametrize("loss", LOSSES)
def test_what_a_logit_says_of_a_probability_counts_where_it_is_one(loss):
    """D(G(z)) = 0.007 with bce; with other losses, logits of -5 mean nothing like that."""
    history = evaluations(*STILL, pair_accuracy=0.99, real_logit=1.0, fake_logit=-5.0)
    assert judge_by_loss(loss, history) == ("D too strong" if loss == "bce" else "")


@pytest.mark.parametrize("loss", LOSSES)
def test_the_order_of_logits_counts_by_every_loss(loss):
    asleep = evaluations(*STILL, pair_accuracy=0.5, real_logit=0.1, fake_logit=0.1)
    assert judge_by_loss(loss, asleep) == "D asleep"
    unseen = {"real_logit": 1.0, "held_out_logit": -0.5, "fake_logit": -1.0}
    assert judge_by_loss(loss, evaluations(*GAINS, **unseen)) == "memorising"
    assert judge_by_loss(loss, evaluations((60, 0.5), (75, 0.2))) == "collapsing"


@pytest.mark.parametrize(
    ("scores", "verdict"),
    [
        ([(90, 0.9)], "too early for a verdict"),
        ([(90, 0.9), (80, 0.2)], "little diversity yet"),
        ([(90, 0.9), (60, 0.4)], "healthy"),  # the first images are noise, and so diverse
        ([(60, 0.5), (65, 0.4), (61, 0.5), (70, 0.4), (66, 0.5)], "healthy"),
        ([(60, 0.5), (75, 0.34)], "collapsing, 32% of the diversity lost since step 100"),
        ([(60, 0.5), (71, 0.3)], "healthy"),  # not worse by a fifth
        ([(60, 0.5), (75, 0.5), (80, 0.5), (73, 0.5)], "getting worse"),
        ([(60, 0.5), (75, 0.5), (70, 0.5), (73, 0.5)], "healthy"),
        ([(60, 0.5), *[(65, 0.5)] * 5], "no better for 5 evaluations"),
        ([(60, 0.5), *[(65, 0.5)] * 5, (59, 0.5)], "healthy"),
    ],
)
def test_the_verdict_by_the_score(scores, verdict):
    assert judge(evaluations(*scores))[1] == verdict


@pytest.mark.parametrize(
    ("scores", "others", "verdict"),
    [
        (STILL, {"pair_accuracy": 0.99, "fake_logit": -5.0}, "D too strong"),
        (GAINS, {"pair_accuracy": 0.99, "fake_logit": -5.0}, "healthy"),
        (STILL, {"pair_accuracy": 0.99, "fake_logit": [-5, -5, -4, -5]}, "healthy"),
        (STILL, {"pair_accuracy": [0.5, 1, 0.9, 1], "fake_logit": -5.0}, "healthy"),
        (
            STILL[:3],
            {"pair_accuracy": 0.99, "fake_logit": -5.0},
            "healthy",
        ),  # nothing precedes them
        (STILL, {"pair_accuracy": 0.5}, "D asleep"),
        (STILL, {"pair_accuracy": 0.0}, "D asleep"),
        (STILL, {"pair_accuracy": [1, 0.5, 0.5, 0.9]}, "healthy"),
        (GAINS, {"pair_accuracy": 0.5}, "healthy"),
        ([(90, 0.5), (80, 0.5), (70, 0.5)], {"pair_accuracy": 0.01}, "D asleep"),
        ([(39, 0.5)] * 4, {"pair_accuracy": 0.5}, "healthy"),  # so near its floor, D may guess
        (GAINS, {"nearest_ratio": [0.1, 0.1, 0.1, 0.7]}, "healthy"),
        (GAINS, {"nearest_ratio": 0.5}, "memorising"),
        # All alike, as early fakes are, and near to every image as the average of all is.
        ([(90, 0.05)], {"nearest_ratio": 0.4}, "too early for a verdict"),
        (GAINS, {"nearest_ratio": 1.2, "held_out_ratio": 0.95}, "healthy"),
        (GAINS, {"nearest_ratio": 1.2, "held_out_ratio": 0.8}, "memorising"),
        (GAINS, {"real_logit": 1, "held_out_logit": 0, "fake_logit": -1}, "healthy"),
        (
            GAINS,
            {"real_logit": 1, "held_out_logit": -0.5, "fake_logit": -1},
            "memorising, D takes unseen images for fakes",
        ),
        (
            GAINS,  # D guesses: its logits differ by chance
            {"real_logit": 0.001, "held_out_logit": -0.001, "fake_logit": 0, "pair_accuracy": 0.52},
            "healthy",
        ),
        (GAINS, {"real_logit": 0, "held_out_logit": -1, "fake_logit": 1}, "healthy"),
        (GAINS, {"real_logit": -9.0, "fake_logit": 9.0}, "healthy"),
        (GAINS, {"real_logit": 2.0, "fake_logit": -51.0}, "diverging, D's logits at 51"),
    ],
)
def test_the_verdict_by_other_signs(scores, others, verdict):
    assert judge(evaluations(*scores, **others))[1] == verdict


def test_the_most_severe_sign_is_the_one_that_is_said():
    """Removing the cause of each sign in turn reveals the next one."""
    scores = [(60, 0.5), *[(90, 0.2)] * 5]
    others = {"real_logit": 60.0, "nearest_ratio": 0.5, "pair_accuracy": 1.0, "fake_logit": -5.0}
    history, found = evaluations(*scores, **others), []
    changes = [{}, {"real_logit": 1.0}, {"vendi": 0.5}, {"nearest_ratio": 1.0}]
    changes += [{"pair_accuracy": 0.5}, {"pair_accuracy": 0.8}, {"frechet": 65}, {"frechet": 50}]
    for change in (*changes, {"vendi": 0.2}):
        for entry in history[1:]:
            entry.update(change)
        found.append(judge(history)[0])
    assert found[:7] == [sign.name for sign in SIGNS[:7]]
    assert found[7:] == ["", SIGNS[7].name]


def test_images_too_few_for_a_distance_are_judged_by_what_there_is(tiny, messages):
    history = [{"step": 100, "vendi": 0.7, "nearest_ratio": 0.9}]
    assert judge(history) == ("", "no verdict on so few images")
    history.append({"step": 200, "vendi": 0.7, "nearest_ratio": 0.5, "pair_accuracy": 1.0})
    Verdict(tiny()).announce_training_verdict(history, None)
    assert messages[0] == (
        "step 200: diversity 70%, fakes 0.50 times as far from the nearest real image as reals "
        "are, D right in 100% of pairs: memorising."
    )
    assert "is memorising its training images" in messages[1]


def test_images_that_became_too_few_for_a_distance_end_no_training(tiny, messages):
    """The earlier evaluations still have scores, whose floor is not known any more."""
    history = evaluations(*STILL[:3], pair_accuracy=0.5)
    history.append({"step": 400, "vendi": 0.7, "nearest_ratio": 0.9, "pair_accuracy": 0.5})
    for count in (4, 5):
        Verdict(tiny()).announce_training_verdict(history[:count], None)
        history.append(history[-1] | {"step": 500})
    assert [text.rpartition(": ")[2] for text in messages] == ["no verdict on so few images."] * 2


def test_what_goes_wrong_is_warned_of_once_per_occurrence(tiny, messages):
    """Also when another process continues the run."""
    scores = [(60, 0.5), (75, 0.2), (80, 0.2), (61, 0.5), (75, 0.2)]
    history = evaluations(*scores)
    for count in range(1, 6):
        Verdict(tiny()).announce_training_verdict(history[:count], floor=2.0)

    warnings = [text for text in messages if "is collapsing" in text]
    assert len(warnings) == 2
    assert "step 100 is in best/" in warnings[0]
    assert "--learning_rate=0.0001" in warnings[0]
    assert messages[0] == (
        "step 100: Frechet distance 60.0, 30 times its floor (the best so far), diversity 50%: "
        "too early for a verdict."
    )
    assert messages[1] == (
        "step 200: Frechet distance 75.0, 38 times its floor (best: 60.0 at step 100), diversity "
        "20%: collapsing, 60% of the diversity lost since step 100."
    )


def test_the_best_is_told_by_the_score_that_decides(tiny, messages):
    history = evaluations((60, 0.5), (50, 0.5), coverage=[0.3125, 0.25])
    Verdict(tiny(eval_metric="coverage")).announce_training_verdict(history, FLOOR)
    Verdict(tiny(eval_metric="coverage")).announce_training_verdict(history[:1], FLOOR)
    Verdict(tiny(eval_metric="kid")).announce_training_verdict(history, FLOOR)  # not measured yet
    of_frechet = "step 200: Frechet distance 50.0, 25 times its floor"
    assert messages == [
        f"{of_frechet}, coverage 0.25 (best: 0.3125 at step 100), diversity 50%: healthy.",
        "step 100: Frechet distance 60.0, 30 times its floor, coverage 0.3125 (the best so far), "
        "diversity 50%: too early for a verdict.",
        f"{of_frechet}, diversity 50%: healthy.",
    ]


@pytest.mark.parametrize(
    ("accuracy", "logit", "updates", "flag"),
    [
        (1.0, -5.0, (1, 2), "--g_updates=3"),
        (1.0, -5.0, (3, 2), "--d_updates=2"),
        (0.5, 0.0, (1, 2), "--g_updates=1"),
        (0.5, 0.0, (1, 1), "--d_updates=2"),
    ],
)
def test_the_flag_to_change_is_that_of_the_run(tiny, messages, accuracy, logit, updates, flag):
    history = evaluations(*STILL, pair_accuracy=accuracy, fake_logit=logit)
    config = tiny(d_updates=updates[0], g_updates=updates[1], learning_rate=0.004, halvings=1)
    Verdict(config).announce_training_verdict(history, FLOOR)
    assert flag in messages[-1]
    assert "--learning_rate=0.001" in messages[-1]


def test_what_a_collapse_does_is_a_setting(tiny, messages):
    config = tiny(eval_freq=100)
    collapsed, healthy = evaluations((60, 0.5), (90, 0.1)), evaluations((60, 0.5), (50, 0.5))
    worse = evaluations((60, 0.5), *[(90, 0.5)] * 3)
    for word in ("warn", "stop"):
        verdict = Verdict(dataclasses.replace(config, on_collapse=word))
        for history in (healthy, worse):
            verdict.announce_training_verdict(history, FLOOR)
            assert not verdict.ends_training
        verdict.announce_training_verdict(collapsed, FLOOR)
        assert verdict.ends_training == (word == "stop")

    verdict = Verdict(dataclasses.replace(config, on_collapse="restore"))
    verdict.announce_training_verdict(worse, FLOOR)
    with pytest.raises(CollapsedError, match=r"at step 200: collapsing, 80% of .* step 100\."):
        verdict.announce_training_verdict(collapsed, FLOOR)
