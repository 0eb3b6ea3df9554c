"""Command lines that cannot be read, and the error that says what to type instead."""

import random

import pytest
from absl.testing import flagsaver

import main  # noqa: F401  (defines the flags)
from config.flags import FLAGS, parse_flags
from config.mistakes import EXAMPLES, MEANINGS, VALUE_MEANINGS, find_meant_flag
from config.settings import SETTINGS


@pytest.fixture(autouse=True)
def _flags_as_before():
    with flagsaver.flagsaver():
        yield


def line_of(*arguments):
    with pytest.raises(ValueError) as error:
        parse_flags(["main.py", *arguments])
    return str(error.value)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--sample"], "--sample needs a number. Try --sample=64."),
        (["--sample", "--train"], "--sample needs a number. Try --sample=64."),
        (["-sample", "-train"], "--sample needs a number. Try --sample=64."),
        (["--sample="], "--sample needs a number. Try --sample=64."),
        (["--sample", "--lr", "3"], "--sample needs a number. Try --sample=64."),
        (["--train", "--epoch"], "--epoch needs a number. Try --epoch=25."),
        (["--dataset", "--train"], "--dataset needs a value. Try --dataset=digits."),
        (["--config"], "--config needs a value. Try --config=out/RUN/config.json."),
        (
            ["--preset"],
            "--preset needs one of reference, paper, tutorial, modern. Try --preset=paper.",
        ),
    ],
)
def test_a_missing_value_is_asked_for(arguments, line):
    assert line_of(*arguments) == line


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--train", "true"], "--train takes no value: write --train."),
        (["--train", "False", "--epoch", "3"], "--train takes no value: write --notrain."),
        (["--train", "1"], "--train takes no value: write --train."),
        (["--visualize", "1"], "--visualize takes no value: write --visualize_option=1."),
        (["--visualize", "2"], "--visualize takes no value: write --visualize_option=2."),
        (["--freeze", "x"], "--freeze takes no value. Received: x. Write --freeze alone."),
        (
            ["--export", "onnx,", "litert"],
            "--export takes one value. Received: onnx, litert. Write --export=onnx,litert.",
        ),
        (["--notrain=1"], "--notrain takes no value. Received: 1. Write --notrain or --train."),
        (
            ["--dataset", "my", "photos", "--train"],
            '--dataset takes one value. Received: my photos. Write --dataset="my photos".',
        ),
        (
            ["--dataset=my", "photos"],
            '--dataset takes one value. Received: my photos. Write --dataset="my photos".',
        ),
        (
            ["--g_widths", "8,", "4"],
            "--g_widths takes one value. Received: 8, 4. Write --g_widths=8,4.",
        ),
        (["--label", "3", "4"], "--label takes one value. Received: 3 4. Write --label=3,4."),
        (["--steps", "40", "extra"], "--steps takes one number. Received: 40 extra. Drop extra."),
        (["train"], "Flags begin with two hyphens. Received: train. Write --train."),
        (["—epoch=3"], "Flags begin with two hyphens. Received: —epoch=3. Write --epoch=3."),
        (
            ["—out_name=a b"],
            "Flags begin with two hyphens. Received: —out_name=a b. Write --out_name='a b'.",
        ),
        (
            ["x\x1b"],
            r"Flags begin with two hyphens. Received: x\x1b. python main.py --help lists them all.",
        ),
    ],
)
def test_a_word_that_belongs_to_no_flag(arguments, line):
    assert line_of(*arguments) == line


@pytest.mark.parametrize(
    ("argument", "line"),
    [
        ("--lr", "There is no flag --lr. Did you mean --learning_rate?"),
        ("--lr=0.01", "There is no flag --lr. Did you mean --learning_rate=0.01?"),
        ("--epochs", "There is no flag --epochs. Did you mean --epoch?"),
        ("--batch-size=8", "There is no flag --batch-size. Did you mean --batch_size=8?"),
        ("--Train", "There is no flag --Train. Did you mean --train?"),
        ("---train", "There is no flag ---train. Did you mean --train?"),
        ("--image_size=32", "There is no flag --image_size. Did you mean --output_height=32?"),
        ("--exprot", "There is no flag --exprot. Did you mean --export?"),
        ("--no-crop", "There is no flag --no-crop. Did you mean --nocrop?"),
        ("--nosample", "There is no flag --nosample. Leave --sample out."),
        ("--workers=4", "There is no flag --workers. All CPU cores are used."),
        ("--zzzz", "There is no flag --zzzz. python main.py --help lists them all."),
        ("--label_names=a", "There is no flag --label_names. Did you mean --labels=a?"),
        ("--out_nme=a b", "There is no flag --out_nme. Did you mean --out_name='a b'?"),
        ("--out_nme=", "There is no flag --out_nme. Did you mean --out_name=?"),
    ],
)
def test_an_unknown_flag_names_the_one_that_was_meant(argument, line):
    assert line_of("--train", argument) == line


def test_the_first_mistake_is_told():
    assert line_of("--lr", "3", "--sample").startswith("There is no flag --lr.")
    assert line_of("--sample", "x", "--lr", "3").startswith("There is no flag --lr.")
    assert line_of("--train", "true", "--lr").startswith("--train takes no value")


def test_a_number_written_as_people_write_it():
    assert line_of("--steps=1e3") == (
        "--steps must be a whole number. Received: 1e3. Try --steps=1000."
    )
    assert line_of("--steps=5,000").endswith("Received: 5,000. Try --steps=5000.")
    assert "645" not in line_of("--steps=64,5")
    assert line_of("--steps=10k").endswith("Received: 10k. Try --steps=5000.")
    assert line_of("--c_dim=2").endswith("Received: 2. Try --c_dim=auto.")


@pytest.mark.parametrize(
    ("argument", "remedy"),
    [
        ("--preset=pytorch", "Try --preset=tutorial."),
        ("--preset=papr", "Try --preset=paper."),
        ("--z_dist=Gaussian", "Try --z_dist=normal01."),
        ("--z_dist=normal", "Try --z_dist=normal01."),
        ("--mixed_precision=fp16", "Try --mixed_precision=float16."),
        ("--jit=maybe", "Try --jit=auto."),
        ("--padding=true", "Try --padding=same."),
        ("--learning_rate=0,001", "Try --learning_rate=0.001."),
        ("--holdout=20%", "Try --holdout=0.2."),
        ("--learning_rate=fast", "Try --learning_rate=0.0002."),
    ],
)
def test_a_value_in_other_words(argument, remedy):
    assert line_of("--train", argument).endswith(f" {remedy}")


def test_every_word_of_others_means_a_choice():
    choices = {word for name in FLAGS for word in getattr(FLAGS[name].parser, "enum_values", ())}
    assert {*VALUE_MEANINGS.values()} <= choices
    assert not {*VALUE_MEANINGS} & choices


def test_any_words_are_one_line_or_pass():
    rng = random.Random(0)
    words = "--train true --sample 3 --sample= --g_widths 8, —epoch --lr - -- = --= -x --no --nolr"
    words = [*words.split(), "", "\0", "\ud800", "--notrain=1", "--out_name", "--visualize", "2"]
    for _ in range(2000):
        with flagsaver.flagsaver():
            try:
                parse_flags(["main.py", *rng.choices(words, k=rng.randrange(1, 5))])
            except ValueError as error:
                assert str(error).isprintable() and len(str(error)) > 20


def test_what_is_right_passes():
    parse_flags(["main.py", "--out_name=", "--seed", "-1", "--train", "--nocrop", "-epoch", "3"])
    assert (FLAGS.seed, FLAGS.epoch, FLAGS.crop, FLAGS.out_name) == (-1, 3, False, "")
    parse_flags(["main.py", "--dataset", "-odd-name", "--alsologtostderr", "--train"])
    assert (FLAGS.dataset, FLAGS.train) == ("-odd-name", True)


def test_every_meaning_is_a_flag_and_no_flag_means_another():
    assert {name for name in MEANINGS.values() if name not in FLAGS} == set()
    assert {name for name in SETTINGS if name in FLAGS and name in MEANINGS} == set()
    assert find_meant_flag("lr", ["learning_rate"]) == "learning_rate"
    assert find_meant_flag("lr", ["epoch"]) is None


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_can_be_typed(name):
    parse_flags(["main.py", f"--{name}={EXAMPLES[name].strip(chr(39))}"])
    assert FLAGS[name].present


def test_files_that_the_shell_listed_are_told_their_folder(tmp_path, monkeypatch):
    """`--dataset photos/*.jpg` arrives as the names of all photos."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my photos").mkdir()
    names = [f"my photos/{number}.jpg" for number in range(3)]
    for name in names:
        (tmp_path / name).touch()
    told = line_of("--dataset", *names, "--train")
    assert told == (
        "--dataset takes one value. Received: 3 files. Give their folder: --dataset='my photos'."
    )
    (tmp_path / "a").touch()
    assert line_of("--dataset", "a", "a").endswith(
        f"2 files. Give their folder: --dataset={tmp_path}."
    )
    assert "Write --dataset=" in line_of("--dataset", *names, "a")


def test_the_full_stop_of_a_copied_sentence_is_left_out(tmp_path, monkeypatch):
    """`Give its folder: --dataset=/a/two words.` was copied to its end."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    rule = "--dataset takes one value. Received: "
    line = f'{rule}two words.. Write --dataset="two words.".'
    assert line_of("--dataset=two", "words.") == line  # there is neither
    (tmp_path / "two words").mkdir()
    line = f'{rule}two words.. Write --dataset="two words".'
    assert line_of("--dataset=two", "words.", "--train") == line
    assert line_of("--dataset", "~/two", "words.").endswith('Write --dataset="~/two words".')
    (tmp_path / "two words.").mkdir()
    assert line_of("--dataset=two", "words.").endswith('Write --dataset="two words.".')
    assert "Write --dataset=" in line_of("--dataset=two", "x" * 5000 + ".")
