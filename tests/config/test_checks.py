"""What a Config must satisfy, and the error for each violation."""

import math

import pytest

from config.checks import check_setting_names, check_training_settings, note_settings_for_python
from config.presets import apply_preset
from config.settings import SETTINGS, Config


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"output_height": 5},
            "--output_height must be at least 8. Received: 5. Try --output_height=16.",
        ),
        (
            {"output_width": 513},
            "--output_width must be at most 512. Received: 513. Try --output_width=512.",
        ),
        (
            {"stem_width": 500},
            "--stem_width must be a multiple of 16. Received: 500. Try --stem_width=496.",
        ),
        (
            {"kernel_size": 3},
            "--kernel_size must be one of 5, 4. Received: 3. Try --kernel_size=5.",
        ),
        (
            {"z_dist": "normal"},
            "--z_dist must be one of uniform_signed, uniform_unsigned, normal01. Received: normal. "
            "Try --z_dist=normal01.",
        ),
        ({"dataset": ""}, "--dataset must not be empty. Received: nothing. Try --dataset=digits."),
        ({"batch_size": 0}, "--batch_size must be at least 1. Received: 0. Try --batch_size=64."),
        (
            {"learning_rate": float("nan")},
            "--learning_rate must be at most 1. Received: nan. Try --learning_rate=0.0002.",
        ),
        ({"batch_size": "64"}, "--batch_size must be of type int. Received: '64'."),
        (
            {"out_name": "a/b"},
            "--out_name must be a plain name, without folders. Received: a/b. "
            "Try --out_dir=a --out_name=b.",
        ),
        (
            {"out_name": "a b/c"},
            "--out_name must be a plain name, without folders. Received: a b/c. "
            "Try '--out_dir=a b' --out_name=c.",
        ),
        ({"out_name": " "}, "--out_name must be a name. Received: spaces. Leave it out."),
        (
            {"eval_freq": 0, "on_collapse": "stop"},
            "--eval_freq must not be 0 with --on_collapse=stop, which needs the scores. "
            "Received: 0. Leave out --eval_freq, or add --on_collapse=warn.",
        ),
        ({"epoch": True}, "--epoch must be of type int. Received: True."),
        (
            {"minutes": 20, "steps": 500},
            "--minutes and --steps cannot be combined. Received: 20 and 500. Drop one of them.",
        ),
        (
            {"minutes": 0.5, "epoch": 3},
            "--minutes and --epoch cannot be combined. Received: 0.5 and 3. Drop one of them.",
        ),
        ({"steps": 0}, "--steps must be at least 1. Received: 0. Try --steps=2000."),
        (
            {"loss": "hing"},
            "--loss must be one of bce, hinge, lsgan, wgan, relativistic. Received: hing. "
            "Try --loss=hinge.",
        ),
        ({"minutes": 0}, "--minutes must be at least 0.1. Received: 0. Try --minutes=20."),
    ],
)
def test_one_value_out_of_range(settings, message):
    with pytest.raises(ValueError) as error:
        Config(**settings)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"crop": False, "input_height": 108}, "--nocrop squashes"),
        ({"blocks": 7, "output_height": 64}, "Try --blocks=4"),
    ],
)
def test_contradictions(settings, words):
    with pytest.raises(ValueError, match=words):
        Config(**settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"r1": 1.0},
            "Gradient penalties (r1, r2) need a discriminator without batch norm, which mixes the "
            "images of a batch. Received: batch norm. Start a new run with --d_norm=spectral or "
            "--d_norm=none.",
        ),
        (
            {"r2": 1.0, "d_norm": "none", "mixed_precision": "float16"},
            "Gradient penalties (r1, r2) need a wider range of numbers than float16 has. "
            "Received: float16. Try --mixed_precision=bfloat16.",
        ),
        (
            {"penalty_decay": 0.1, "d_norm": "none"},
            "--penalty_decay needs a penalty, --r1 or --r2. Received: neither. Add --r1=1, or "
            "set --penalty_decay=1.",
        ),
        (
            {"loss": "wgan", "d_norm": "none", "r2": 1.0},
            "--loss=wgan needs a discriminator with a bounded slope: --d_norm=spectral in a new "
            "run, or --r1=10 in a run without batch norm. Received: no norm. Add one, or try "
            "--loss=hinge.",
        ),
    ],
)
def test_what_cannot_be_trained(settings, message):
    with pytest.raises(ValueError) as error:
        check_training_settings(Config(**settings))
    assert str(error.value) == message


def test_penalties_that_can_be_trained():
    for settings in ({"r1": 1.0}, {"r2": 1.0}, {"r1": 1.0, "r2": 1.0, "penalty_batch": 0.25}):
        check_training_settings(Config(d_norm="none", loss="relativistic", **settings))
    check_training_settings(Config(d_norm="none", loss="wgan", r1=10.0))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"dataset": 5}, "--dataset must be of type str. Received: 5."),
        (
            {"preset": ["paper"]},
            "--preset must be one of reference, paper, tutorial, modern. Received: ['paper']. "
            "Leave it out.",
        ),
        (
            {"dataset": "mnist", "output_height": [1]},
            "--output_height must be of type int. Received: [1].",
        ),
        (
            {"g_widths": ["a", "b", "c", "d"]},
            "--g_widths must be a list of int. Received: ['a', 'b', 'c', 'd'].",
        ),
        (
            {"g_widths": [1.5, 2, 3, 4]},
            "--g_widths must be a list of int. Received: [1.5, 2, 3, 4].",
        ),
        (
            {"label_names": "cat,dog"},
            "--label_names must be of type tuple or None (in JSON: null). Received: 'cat,dog'.",
        ),
    ],
)
def test_json_of_the_wrong_types_is_one_line(given, message):
    with pytest.raises(ValueError) as error:
        Config(**apply_preset(given))
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        (
            {"out_dir": "a" * 5000},
            "--out_dir must be text that a path can hold, of at most 4096 characters. "
            f"Received: {'a' * 200}...",
        ),
        ({"dataset": "a\0b"}, r"--dataset must be text .* Received: a\x00b. Try --dataset=digits."),
        ({"out_name": ".."}, "--out_name must be a plain name, without folders. Received: .."),
        ({"labels": ", ,"}, "--labels must be none, own, folder or attributes. Received: nothing."),
        ({"blocks": 6, "output_height": 64}, "--blocks must leave a stem of at least 2 pixels"),
        ({"g_widths": "8,8,8,0"}, "--g_widths must be 4 numbers of feature maps"),
        ({"data_dir": "~nobody-here/x"}, "--data_dir must be a path. Received: ~nobody-here/x"),
    ],
)
def test_what_no_run_can_have(settings, line):
    with pytest.raises(ValueError) as error:
        Config(**settings)
    start, *rest = line.split(".*")
    assert str(error.value).startswith(start)
    assert all(part in str(error.value) for part in rest)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "name", [name for name, setting in SETTINGS.items() if setting.low is not None]
)
def test_bounds_are_what_the_declaration_says(name):
    """The bounds themselves are valid, the next values are not; other rules may forbid them."""
    low, high = SETTINGS[name].low, SETTINGS[name].high
    below, above = low - 1, high + 1
    if not (isinstance(low, int) and isinstance(high, int)):
        below, above = math.nextafter(low, -math.inf), math.nextafter(high, math.inf)
    for value, rule in ((below, "at least"), (above, "at most")):
        with pytest.raises(ValueError, match=f"--{name} must be {rule}"):
            Config(**{name: value})
    for value in (low, high):
        try:
            Config(**{name: value})
        except ValueError as error:
            assert f"--{name} must be at " not in str(error)


def test_only_bce_has_targets_to_smooth():
    for settings in ({"label_smoothing": 0.1}, {"loss": "hinge"}):
        check_training_settings(Config(**settings))
    with pytest.raises(ValueError) as error:
        check_training_settings(Config(label_smoothing=0.1, loss="hinge"))
    assert str(error.value) == (
        "--label_smoothing needs --loss=bce, the only loss with targets. "
        "Received: hinge. Try --label_smoothing=0, or --loss=bce."
    )


def test_a_name_that_is_none_is_told_with_the_one_that_was_meant():
    check_setting_names({"epoch": 1}, "x.json", ["epoch"])
    with pytest.raises(ValueError, match=r"^x.json must only .*: epoc. Did you mean epoch"):
        check_setting_names({"epoc": 1}, "x.json", ["epoch"])
    with pytest.raises(ValueError, match=r"Received: lr\. Did you mean learning_rate\?$"):
        check_setting_names({"lr": 1}, "x.json", ["epoch", "learning_rate"])
    with pytest.raises(ValueError, match=r"Received: \\x1b.* python main.py --help lists them\."):
        check_setting_names({"\x1b": 1}, "x.json", ["epoch"])
    with pytest.raises(ValueError, match=r"one JSON object of settings\. Received: list"):
        check_setting_names([], "x.json", ["epoch"])
    with pytest.raises(ValueError, match=r"Received: preset\. python main\.py --help lists them\."):
        check_setting_names({"preset": "modern"}, "x.json", ["epoch"])


def test_an_unknown_setting_from_python_is_named():
    with pytest.raises(ValueError, match=r"^Config must .* epochs\. Did you mean epoch\?"):
        Config(epochs=3)
    with pytest.raises(ValueError, match=r"Received: preset\. Write Config\(\*\*apply_preset\("):
        Config(preset="modern")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"d_labels": "projection"},
            "--d_labels=projection needs labels. Received: none. Add --labels (folder, own or "
            "attributes), or drop --d_labels.",
        ),
        (
            {"minibatch_stddev": True, "batch_size": 1},
            "--batch_size must be at least 2 with --minibatch_stddev, which compares the images of "
            "a batch. Received: 1. Try --batch_size=64.",
        ),
    ],
)
def test_parts_of_networks_that_lack_what_they_work_on(settings, message):
    with pytest.raises(ValueError) as error:
        check_training_settings(Config(**settings))
    assert str(error.value) == message
    check_training_settings(Config(**settings | {"labels": "own", "batch_size": 2}))


def test_penalties_are_refused_where_images_of_a_batch_are_compared():
    compared = {"minibatch_stddev": True, "d_norm": "none"}
    check_training_settings(Config(**compared))
    for penalty in ("r1", "r2"):
        with pytest.raises(ValueError, match=r"^Gradient penalties .* Received: minibatch_stddev"):
            check_training_settings(Config(**compared, **{penalty: 1.0}))


def test_python_users_are_told_what_to_write_beside_the_message():
    """A traceback shows notes; main.py prints only the message."""
    with pytest.raises(ValueError, match=r"^--batch_size must be at least 1\. ") as error:
        Config(batch_size=0)
    assert error.value.__notes__ == ["In Python: Config(batch_size=...)."]
    with pytest.raises(ValueError) as error:
        Config(crop=False, input_height=9)
    [note] = error.value.__notes__
    assert note == "In Python: Config(crop=False, input_height=..., input_width=...)."

    with pytest.raises(ValueError) as error, note_settings_for_python(["lr", "nobody"]):
        raise ValueError("Neither --lr nor --other nor --nobody.")
    assert error.value.__notes__ == ["In Python: Config(lr=..., nobody=...)."]
    with pytest.raises(ValueError) as error, note_settings_for_python(["lr"]):
        raise ValueError("images must be uint8.")
    assert not hasattr(error.value, "__notes__")
