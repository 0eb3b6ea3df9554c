import dataclasses
import shutil
from pathlib import Path

import pytest

from config.presets import PRESETS, apply_preset
from config.settings import Config
from config.stored import write_config
from gan import DCGAN
from runs import checkpoint_files, checkpoints
from runs.checkpoint_files import list_checkpoints, write_checkpoint_list
from runs.checkpoints import Checkpoints
from runs.find import find_run, find_run_to_report, find_run_to_train
from runs.read import read_run
from sample import sample


@pytest.fixture
def paper_run(tiny):
    """A run of the paper's preset, made small by its flags; returns what a user types to find it
    again.
    """
    config = tiny(
        **(apply_preset({"preset": "paper"}) | {"stem_width": 32, "batch_size": 8, "l2": 0.0})
    ).resolve()
    Checkpoints(DCGAN(config), config).save(1)
    write_config(config)
    return config, {"out_dir": config.out_dir, "output_height": 16}


def test_a_preset_that_fits_changes_nothing_of_the_run(paper_run):
    config, where = paper_run
    assert find_run_to_train({**where, "preset": "paper", "stem_width": 32}) == config
    assert find_run({**where, "preset": "paper", "stem_width": 32}) == config
    assert find_run_to_train(where) == config


@pytest.mark.parametrize("find", [find_run_to_train, find_run])
@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"preset": "reference"}, "--preset=reference needs --bias=True"),
        ({"preset": "tutorial"}, "--preset=tutorial needs --bn_epsilon=1e-05"),
        ({"preset": "modern"}, "--preset=modern needs --bias=True"),
    ],
)
def test_a_preset_that_does_not_fit_is_named(paper_run, find, given, wanted):
    with pytest.raises(ValueError, match="which is fixed") as error:
        find({**paper_run[1], **given})
    assert str(error.value).startswith(wanted)


@pytest.mark.parametrize("find", [find_run_to_train, find_run])
def test_a_network_that_the_user_chose_beside_a_preset_is_not_the_presets(paper_run, find):
    _, where = paper_run
    with pytest.raises(ValueError, match=r"--stem_width.* Received: 64\.") as error:
        find({**where, "preset": "paper", "stem_width": 64})
    assert "preset" not in str(error.value)


def test_a_size_that_was_chosen_beside_a_preset_need_not_be_typed_again(paper_run):
    config, where = paper_run
    named = {"out_dir": config.out_dir, "out_name": config.name}
    for given in (where, named):
        given = given | {"preset": "paper"}
        assert find_run_to_train(given) == find_run(given) == config


def test_runs_made_before_a_preset_got_a_setting_go_on_without(tiny):
    config = tiny(**PRESETS["modern"] | {"d_min_width": Config.d_min_width}).resolve()
    Checkpoints(DCGAN(config), config).save(1)
    write_config(config)
    given = {"out_dir": config.out_dir, "dataset": config.dataset, "preset": "modern"}
    given |= {"output_height": config.output_height, "stem_width": config.stem_width}
    assert find_run_to_train(given) == find_run(given) == config


def test_runs_made_before_labels_go_on_without(tiny):
    """An old config.json of mnist has no labels, which are the default for a new one."""
    config = tiny(dataset="mnist", output_height=28, c_dim=1).resolve()
    Checkpoints(DCGAN(config), config).save(1)
    write_config(config)
    given = {"out_dir": config.out_dir, "dataset": "mnist"}
    assert find_run_to_train(given) == find_run(given) == config


def test_a_run_is_found_by_name_or_when_only_one_fits(trained, tiny):
    out = {"out_dir": tiny().out_dir}
    with pytest.raises(ValueError, match=r"^There is no folder .*/out. Give --out_dir"):
        find_run(out)
    faces = trained(dataset="celebA")
    assert find_run(out) == faces
    assert find_run({**out, "dataset": "celebA", "seed": 3}).seed == 3
    trained(dataset="cats")
    assert find_run({**out, "dataset": "CelebA"}) == faces
    with pytest.raises(
        ValueError, match=r"2 runs in .* fit: cats-16x16, celebA-16x16\. Add --out_name=NAME"
    ):
        find_run(out)
    damaged = Path(out["out_dir"]) / "damaged"
    damaged.mkdir()
    (damaged / "config.json").write_text("{")
    with pytest.raises(ValueError, match=r"damaged/config.json is not JSON.*delete it"):
        find_run({**out, "out_name": "damaged"})
    with pytest.raises(ValueError, match="Received: nosuch"):
        find_run({**out, "out_name": "nosuch"})
    with pytest.raises(ValueError, match="--z_dim is fixed"):
        find_run({**out, "out_name": "cats-16x16", "z_dim": 3})


def test_the_run_with_the_default_name_is_not_picked_among_several(trained, tiny, messages):
    default, other = trained(), trained(out_name="other")
    where = {"out_dir": default.out_dir}
    with pytest.raises(ValueError, match=f"^2 runs in .* fit: {default.name}, other. Add"):
        find_run(where)
    assert find_run({**where, "dataset": default.dataset, "output_height": 16}).name == default.name

    assert find_run_to_train({**where, "out_name": "other"}).name == other.name


def test_a_moved_run_is_itself(trained):
    config = trained()
    config.run_dir.rename(config.run_dir.parent / "renamed")
    moved = find_run({"out_dir": config.out_dir, "out_name": "renamed"})
    assert sample(moved, 1).parent.parent.name == "renamed"
    elsewhere = config.run_dir.parent.parent / "elsewhere"
    config.run_dir.parent.rename(elsewhere)
    assert read_run(elsewhere / "renamed").run_dir == elsewhere / "renamed"


@pytest.mark.parametrize("find", [find_run, find_run_to_train])
def test_a_run_is_found_by_its_folder(trained, tmp_path, monkeypatch, find):
    """However the folder is given: in out_dir, in out_name, from here or from out_dir."""
    config = trained(dataset="cats", out_name="mine")
    run, out = config.run_dir, config.out_dir
    for given in (
        {"out_dir": str(run)},
        {"out_dir": f"{run}/"},
        {"out_name": str(run)},
        {"out_name": f"{run}/"},
        {"out_dir": str(run), "out_name": "mine"},
        {"out_dir": str(tmp_path), "out_name": "out/mine"},
    ):
        assert find(given) == config
    monkeypatch.chdir(tmp_path)
    assert find({"out_name": "out/mine"}).run_dir == Path("out/mine")
    monkeypatch.chdir(run)
    assert find({"out_dir": "."}).run_dir == run
    assert find({"out_dir": out, "out_name": "mine"}) == config


def test_a_run_comes_before_its_backup_in_it(trained, monkeypatch, messages):
    outer = trained(out_name="out", dataset="cats")
    inner = trained(out_dir=str(outer.run_dir), out_name="backup")
    new = {"out_dir": str(outer.run_dir), "out_name": "new", "dataset": "dogs"}
    assert find_run_to_train(new).name == "new"
    assert messages[-1] == f"{outer.run_dir}/new is a new run inside another run's folder."
    given = {"out_dir": str(outer.run_dir)}
    assert find_run(given) == find_run_to_train(given) == outer

    monkeypatch.chdir(outer.out_dir)
    assert find_run({}).name == inner.name  # the user did not type ./out


def test_a_fixed_setting_is_named_before_what_it_contradicts(trained):
    """16 pixels do not fit the run's own blocks, which nobody typed."""
    run = trained(output_height=64, blocks=4, out_name="mine")
    given = {"out_dir": run.out_dir, "out_name": "mine", "output_height": 16}
    with pytest.raises(ValueError, match=r"^--output_height is fixed once a run has started"):
        find_run_to_train(given)


def test_a_setting_that_does_not_fit_the_run_of_other_images_tells_of_them_first(trained, tmp_path):
    others, mine = tmp_path / "the others" / "gray", tmp_path / "mine" / "gray"
    for place in (others, mine):
        place.mkdir(parents=True)
    run = trained(dataset=str(others), dataset_place=str(others), dataset_fingerprint="x")
    given = {"out_dir": run.out_dir, "dataset": str(mine), "output_height": 16, "z_dim": 7}
    with pytest.raises(ValueError) as error:
        find_run_to_train(given)
    assert str(error.value) == (
        f"{run.run_dir} is the run of {others}. Received: {mine}. Start another with "
        "--out_name=NAME. (To continue that one, give its dataset again: "
        f"--dataset='{others}'.)"
    )
    others.rmdir()  # then the images have probably moved, and are the run's own
    for fixed, value in (("z_dim", 7), ("preset", "modern")):
        given = {"out_dir": run.out_dir, "dataset": str(mine), "output_height": 16, fixed: value}
        with pytest.raises(ValueError, match=rf"^--{fixed}\b.* --out_name=NAME\.$"):
            find_run_to_train(given)


def test_other_labels_and_other_images_are_told_together(trained, tmp_path):
    """Without --labels the images would be refused all the same."""
    others, mine = tmp_path / "shards", tmp_path / "drawings"
    others.mkdir()
    mine.mkdir()
    places = {"dataset": str(others), "dataset_place": str(others), "dataset_fingerprint": "x"}
    run = trained(**places, labels="own", label_names=("0", "1"), out_name="sh")
    given = {"out_dir": run.out_dir, "out_name": "sh", "dataset": str(mine), "labels": "folder"}
    with pytest.raises(ValueError) as error:
        find_run_to_train(given)
    assert str(error.value) == (
        f"{run.run_dir} was trained on {others} with --labels=own. Received: {mine} with "
        "--labels=folder. Start another run with --out_name=NAME."
    )
    alone = rf"^--labels is fixed .* {run.run_dir} has own\. Received: folder\. Drop --labels"
    with pytest.raises(ValueError, match=alone):
        find_run_to_train(given | {"dataset": str(others)})
    with pytest.raises(ValueError, match=r"^--z_dim is fixed"):
        find_run_to_train(given | {"labels": "own", "z_dim": 7})
    others.rmdir()  # then the images have probably moved
    with pytest.raises(ValueError, match=alone):
        find_run_to_train(given)


def test_settings_that_stay_without_a_checkpoint_are_named(tiny, messages):
    """The command has only --out_dir and --out_name, like the one that made the run."""
    given = {"out_dir": tiny().out_dir, "out_name": "run"}
    config = Config(**given, c_dim=1).resolve()
    config.run_dir.mkdir(parents=True)
    write_config(config)
    find_run_to_train(given)
    assert messages == []

    write_config(dataclasses.replace(config, steps=9, crop=False, dataset="my cats"))
    assert find_run_to_train({**given, "batch_size": 8}).steps == 9
    changed = {"batch_size": 4, "epoch": 3, "seed": 5, "dataset": "my cats", "crop": False}
    write_config(dataclasses.replace(config, steps=9, **changed))
    find_run_to_train(given)
    few, many = messages
    assert f"{config.run_dir} has no checkpoint and takes the settings in its config.json" in few
    assert ": dataset=my cats, crop=False, steps=9. With " in few
    assert "dataset=my cats, crop=False, epoch=3, steps=9 and 2 more. With " in many
    assert many.endswith(" With --dataset='my cats' it starts with the defaults instead.")
    assert find_run_to_train({**given, "dataset": "my cats"}).steps is None


def test_the_folder_of_a_run_does_not_say_that_other_images_are_wanted(trained):
    run = trained(dataset="cats").run_dir
    with pytest.raises(ValueError, match="A run keeps its own dataset"):
        find_run_to_train({"out_dir": str(run), "dataset": "dogs"})
    assert find_run_to_train({"out_name": str(run), "dataset": "dogs"}).dataset == "dogs"


def test_flags_that_leave_it_open_fit_every_run(trained):
    run = trained(dataset="cats")
    given = {"out_dir": run.out_dir, "c_dim": "auto", "stem_norm": "auto", "blocks": None}
    assert find_run(given) == run


def test_a_loss_without_its_constraint_is_refused_before_images_are_read(tiny):
    given = {"out_dir": tiny().out_dir, "out_name": "run", "loss": "wgan"}
    with pytest.raises(ValueError, match=r"^--loss=wgan needs .* Received: batch norm\."):
        find_run_to_train(given)
    assert find_run_to_train(given | {"d_norm": "spectral"}).loss == "wgan"
    config = tiny(d_norm="spectral", out_name="run")
    Checkpoints(DCGAN(config), config).save(1)
    write_config(config)
    assert find_run_to_train(given).loss == "wgan"  # the run has it


def test_a_label_in_the_wrong_flag_is_told(trained):
    run = trained(labels="own", label_names=("six", "seven"), out_name="mine")
    line = r"has own. Received: Seven. To draw that label: --label=Seven.$"
    for given in ({"out_name": "mine"}, {}):
        with pytest.raises(ValueError, match=line):
            find_run({"out_dir": run.out_dir, "labels": "Seven", **given})
    with pytest.raises(ValueError, match=r"has own. Received: eight"):
        find_run({"out_dir": run.out_dir, "labels": "eight", "out_name": "mine"})


def test_a_label_tells_which_run_is_meant(known, messages):
    """Also where another run has the name that the dataset gives."""
    plain = known(dataset="shapes")
    given = {"out_dir": plain.out_dir, "dataset": "shapes", "output_height": 16}
    given |= {"stem_width": plain.stem_width}
    assert find_run(given, label="smiling") == plain  # which says that it has no labels
    faces = known(dataset="shapes", out_name="faces", labels="Smiling", label_names=("Smiling",))
    messages.clear()
    assert find_run(given, label="smiling") == faces
    assert find_run({"out_dir": plain.out_dir}, label="none") == faces
    assert messages[0] == f"{faces.run_dir} is used, as it has the label smiling."
    assert find_run(given | {"out_name": plain.name}, label="smiling") == plain
    assert find_run(given, label="Bald") == find_run(given) == plain
    known(dataset="shapes", out_name="more", labels="Smiling", label_names=("Smiling",))
    line = r"^2 runs in .* have the label smiling: faces, more\. Add --out_name=NAME\.$"
    with pytest.raises(ValueError, match=line):
        find_run(given, label="smiling")


def test_a_label_of_two_words_is_suggested_for_the_shell(trained):
    run = trained(labels="folder", label_names=("big cat", "dog"), out_name="mine")
    with pytest.raises(ValueError, match=r"To draw that label: --label='big cat'\.$"):
        find_run({"out_dir": run.out_dir, "labels": "big cat"})


def test_a_dataset_that_is_not_the_runs_is_said_not_to_be_used(trained, messages):
    config = trained()
    where = {"out_dir": config.out_dir, "out_name": config.name}
    assert find_run({**where, "dataset": "robots"}).dataset == config.dataset
    [line] = [text for text in messages if "robots" in text]
    assert line.endswith("--dataset=robots is not needed here and is ignored.")


def test_files_called_digits_are_not_the_digits(trained, messages):
    given = {"dataset": "digits", "out_dir": trained(dataset="digits", out_name="").out_dir}
    messages.clear()
    find_run(given)  # as older runs of the digits, which do not say where they are
    assert messages == []
    config = trained(dataset="/my/digits.parquet", dataset_place="/my/digits.parquet", out_name="")
    messages.clear()
    find_run(given)
    told = "was trained on /my/digits.parquet; --dataset=digits is not needed here and is ignored."
    assert messages == [f"{config.run_dir} {told}"]


def test_training_without_a_dataset_tells_of_images_called_digits(known, messages, tmp_path):
    path = tmp_path / "digits.parquet"
    config = known(dataset=str(path), dataset_place=str(path), out_name="")
    given = {"out_dir": config.out_dir, "output_height": config.output_height, "steps": 9}
    assert find_run_to_train(given).dataset == config.dataset
    assert messages == []  # an error will say that they are gone
    path.touch()
    assert find_run_to_train(given).dataset == config.dataset
    told = f"{config.run_dir} continues with the images that it was trained on, in {path}."
    assert messages == [told]

    messages.clear()
    find_run_to_train({**given, "out_name": config.run_dir.name})
    known(dataset="digits", out_name="", output_height=32)
    find_run_to_train({**given, "output_height": 32})
    assert messages == []


def test_other_images_of_the_same_name_are_said_not_to_be_used(trained, messages, tmp_path):
    mine, others = tmp_path / "mine" / "faces", tmp_path / "others" / "faces"
    others.mkdir(parents=True)
    config = trained(dataset=str(mine), dataset_place=str(mine))
    find_run({"out_dir": config.out_dir, "dataset": str(others)})
    assert messages[-1] == (
        f"{config.run_dir} was trained on {mine}; --dataset={others} is not needed here and is "
        "ignored."
    )
    count = len(messages)
    find_run({"out_dir": config.out_dir, "dataset": str(mine)})
    assert len(messages) == count


def test_flags_lead_to_the_run_that_has_its_networks(known):
    """Not to the one that --dataset alone would name."""
    named = known(dataset="shapes", output_height=64)
    labelled = {"labels": "folder", "label_names": ("a", "b")}
    other = known(dataset="shapes", output_height=16, **labelled)
    given = {"out_dir": named.out_dir, "dataset": "shapes"}
    assert find_run(given) == named
    given["labels"] = "folder"
    assert find_run(given) == other
    with pytest.raises(ValueError, match=r"^To .* add --out_name=shapes-16x16\. --labels is f"):
        find_run_to_train(given | {"stem_width": named.stem_width})
    with pytest.raises(ValueError, match=r"^--seed is fixed .* with --out_name=NAME\.$"):
        find_run_to_train({**given, "labels": "none", "seed": 7})  # no other run has that seed


def test_a_preset_leads_to_the_run_that_has_its_networks(known):
    """Also from the flags of the run that has the name which the dataset gives."""
    default = known(dataset="shapes")
    given = {"out_dir": default.out_dir, "dataset": "shapes", "output_height": 16}
    given |= {"stem_width": default.stem_width, "preset": "modern"}
    needs = (
        rf"--preset=modern needs --d_norm=spectral\. {default.run_dir} has .* --out_name=NAME\.$"
    )
    for find in (find_run, find_run_to_train):
        with pytest.raises(ValueError, match=f"^{needs}"):  # no other run fits
            find(given)

    modern = known(dataset="shapes", out_name="shapes-modern", **PRESETS["modern"])
    assert find_run(given) == find_run_to_report(given) == modern
    fits = rf"^To continue {modern.run_dir}, which fits, add --out_name=shapes-modern\. {needs}"
    with pytest.raises(ValueError, match=fits):
        find_run_to_train(given)

    known(dataset="shapes", out_name="the twin", **PRESETS["modern"])
    both = "shapes-modern and the twin fit: add --out_name=shapes-modern or --out_name='the twin'"
    with pytest.raises(ValueError, match=rf"^{both}\. {needs}"):
        find_run_to_train(given)
    with pytest.raises(ValueError, match=r"^2 runs in .* fit: shapes-modern, the twin\. Add"):
        find_run(given)
    for name in ("shapes-b", "shapes-c"):
        known(dataset="shapes", out_name=name, **PRESETS["modern"])
    some = "shapes-b, shapes-c and 2 more fit: add --out_name=shapes-b, for example"
    with pytest.raises(ValueError, match=rf"^{some}\. {needs}"):
        find_run_to_train(given)


def test_a_run_taken_for_its_name_is_told_if_others_fit(known, messages):
    one = known(dataset="shapes")
    known(dataset="shapes", out_name="two", stem_width=64)
    given = {"out_dir": one.out_dir, "dataset": "shapes"}
    assert find_run(given) == one  # needs no size, as only one has the name of its own
    named = known(dataset="shapes", output_height=64)
    messages.clear()

    for find in (find_run, find_run_to_report, find_run):
        assert find(given) == named
    assert messages == [
        f"{named.run_dir} is used, as it is named after the dataset; 2 others fit: shapes-16x16, "
        "two (--out_name=NAME)."
    ]
    assert find_run(given | {"output_height": 16}) == one
    assert len(messages) == 1  # that of `one` was said above

    known(dataset="shapes", output_height=32)
    shutil.rmtree(named.run_dir)
    with pytest.raises(ValueError, match=r"^3 runs in .* fit: shapes-16x16, shapes-32x32, two\."):
        find_run(given)


def test_other_runs_are_not_told_where_the_flags_or_a_name_lead_to_one(known, messages):
    one = known(dataset="shapes")
    known(dataset="shapes", out_name="two", stem_width=64)
    known(dataset="robots", out_name="robots")
    given = {"out_dir": one.out_dir, "dataset": "shapes"}
    flags = {"output_height": 16, "stem_width": one.stem_width}
    for more in (flags, {"out_name": one.name}, {"out_dir": str(one.run_dir)}):
        assert find_run(given | more) == find_run_to_report(given | more) == one
    assert find_run_to_train(given | flags) == one
    assert messages == []


def test_a_run_without_a_checkpoint_is_found_by_its_dataset(known, held, tiny):
    """Once for a report, and to say that it is being trained: the fixture holds out/run."""
    other = known(dataset="robots", out_name="robots")
    begun = tiny(dataset="cats", out_name="run", out_dir=str(other.run_dir.parent)).resolve()
    write_config(begun)
    given = {"out_dir": other.out_dir, "dataset": "cats"}
    assert find_run_to_report(given) == begun
    line = rf"^{begun.run_dir} has no checkpoint yet: process {held.pid} on .* is training it"
    with pytest.raises(ValueError, match=line):
        find_run(given)
    held.kill()
    held.wait()
    with pytest.raises(ValueError, match=r"has the dataset cats\. Runs there: robots; pick one"):
        find_run(given)


def test_the_exact_place_of_a_dataset_comes_before_its_name(known, messages, tmp_path):
    mine, packed = tmp_path / "mine" / "faces", tmp_path / "faces.tar"
    mine.mkdir(parents=True)
    packed.touch()
    of_tar = known(dataset=str(packed), dataset_place=str(packed))
    given = {"out_dir": of_tar.out_dir, "dataset": str(mine)}
    assert find_run(given).name == of_tar.name  # the only one of that name
    exact = known(dataset=str(mine), dataset_place=str(mine), out_name="mine")
    messages.clear()
    for size in ({}, {"output_height": 16}):  # with it, the other's default name fits
        assert find_run(given | size) == exact
        assert find_run_to_report(given | size) == exact
    assert messages == []
    assert find_run(given | {"out_name": of_tar.name}).name == of_tar.name
    assert find_run({**given, "dataset": str(packed)}).name == of_tar.name

    known(dataset=str(mine), dataset_place=str(mine), out_name="other", d_norm="spectral")
    with pytest.raises(ValueError, match=r"2 runs in .* fit: mine, other"):
        find_run(given)
    preset = {"preset": "reference", "stem_width": exact.stem_width}
    assert find_run(given | preset) == exact  # the other has not its networks


def test_of_runs_on_the_same_images_the_one_that_training_continues_is_used(
    known, messages, tmp_path
):
    """Its images were moved and moved back, and the run that the user named saw them last."""
    here, before = tmp_path / "pics", tmp_path / "pictures"
    here.mkdir()
    moved = {"dataset": str(before), "dataset_place": str(before)}
    named = known(**moved, first_dataset=str(here), dataset_fingerprint="a", out_name="pics-16x16")
    exact = {"dataset": str(here), "dataset_place": str(here), "out_name": "test"}
    test = known(**exact, first_dataset=str(before), dataset_fingerprint="a")
    given = {"out_dir": named.out_dir, "dataset": str(here), "output_height": 16}
    assert find_run_to_train(given | {"stem_width": named.stem_width}).name == named.name
    messages.clear()
    for find in (find_run, find_run_to_report):
        assert find(given).name == named.name
    used = f"{named.run_dir} is used, as it is named after the dataset; 1 other fits: test"
    assert messages == [f"{used} (--out_name=NAME)."]
    assert find_run(given | {"out_name": "test"}).name == test.name

    write_config(dataclasses.replace(test, dataset_fingerprint="b"))  # only the name is shared
    messages.clear()
    for find in (find_run, find_run_to_report):
        assert find(given).name == test.name
    assert messages == []


def test_runs_on_the_same_images_elsewhere_are_told_too(known, messages, tmp_path):
    here, before = tmp_path / "pics", tmp_path / "pictures"
    here.mkdir()
    images = {"dataset_fingerprint": "a"}
    named = known(dataset=str(here), dataset_place=str(here), **images)
    known(dataset=str(before), dataset_place=str(before), out_name="test", **images)
    given = {"out_dir": named.out_dir, "dataset": str(here)}
    assert find_run(given | {"output_height": 16}) == named
    told = f"{named.run_dir} is used, as %s; 1 other fits: test (--out_name=NAME)."
    assert find_run(given) == named  # without the size in its name, too
    assert messages == [told % "it is named after the dataset"]


def test_a_run_named_after_an_earlier_name_of_its_images_is_used(known, messages, tmp_path):
    """As training does, which reads them: `runs.dataset.find_run_of_same_images`."""
    before, here = tmp_path / "pics", tmp_path / "pictures"
    here.mkdir()
    images = {"dataset_fingerprint": "a"}
    unnamed = known(dataset=str(before), dataset_place=str(before), **images)
    test = known(dataset=str(here), dataset_place=str(here), out_name="test", **images)
    given = {"out_dir": test.out_dir, "dataset": str(here)}
    assert find_run(given) == test  # training would start a run of another size
    assert find_run(given | {"output_height": 16}) == unnamed
    fits = "1 other fits: %s (--out_name=NAME)."
    assert messages[:2] == [
        f"{test.run_dir} is used, as it fits --dataset best; {fits % unnamed.name}",
        f"{unnamed.run_dir} is used, as --train would continue it; {fits % 'test'}",
    ]

    old = known(dataset=str(tmp_path / "old"), dataset_place=str(tmp_path / "old"), **images)
    assert find_run(given | {"output_height": 16}) == test  # training would not choose either
    shutil.rmtree(old.run_dir)

    # Training has continued the unnamed one here, too.
    place = {"dataset": str(here), "dataset_place": str(here), "first_dataset": str(before)}
    unnamed = dataclasses.replace(unnamed, **place)
    write_config(unnamed)
    messages.clear()
    for find in (find_run, find_run_to_report):
        assert find(given | {"output_height": 16}) == unnamed
    assert messages == []  # the line above, which is said once
    assert find_run(given) == unnamed  # without a size, too: all have the same


def test_of_runs_at_the_same_place_the_one_named_after_it_needs_no_size(known, messages, tmp_path):
    images = {"dataset": str(tmp_path), "dataset_place": str(tmp_path), "dataset_fingerprint": "a"}
    unnamed = known(**images)
    known(**images, out_name="mine")
    given = {"out_dir": unnamed.out_dir, "dataset": str(tmp_path)}
    assert find_run(given) == unnamed
    assert messages == [
        f"{unnamed.run_dir} is used, as it is named after the dataset; 1 other fits: mine "
        "(--out_name=NAME)."
    ]
    mine = read_run(unnamed.run_dir.with_name("mine"))
    write_config(dataclasses.replace(mine, dataset_fingerprint="b"))  # the images have changed
    assert find_run(given) == unnamed
    known(**images, output_height=32)
    with pytest.raises(ValueError, match="3 runs in"):
        find_run(given)


def test_a_run_that_has_only_its_best_checkpoint_can_still_be_drawn_from(trained, messages):
    config = trained()
    config.checkpoint_path.rename(config.best_path)
    assert find_run({"out_dir": config.out_dir}) == config
    assert sample(config, 1, checkpoint="best").name == "seed_0_best"
    assert sample(config, 1).name == "seed_0"
    text = "has no readable checkpoint but the one in best/, of step"
    assert sum(text in message for message in messages) == 1


def test_drawing_from_an_older_checkpoint_than_the_last_is_told(trained, messages):
    config = trained()
    write_checkpoint_list(config.checkpoint_path, [config.checkpoint_path / "step-141"])
    sample(config, 1)
    step = list_checkpoints(config.checkpoint_path)[-1].name.removeprefix("step-")
    told = f"{config.run_dir} has lost its checkpoint of step 141: that of step {step} is used."
    assert told in messages


def test_a_checkpoint_that_comes_while_another_is_read_is_not_lost(trained, messages, monkeypatch):
    config = trained()

    def choose(config, checkpoint):
        paths = checkpoint_files.choose_checkpoints(config, checkpoint)
        write_checkpoint_list(config.checkpoint_path, [config.checkpoint_path / "step-141"])
        return paths

    monkeypatch.setattr(checkpoints, "choose_checkpoints", choose)
    sample(config, 1)
    assert not any("has lost its checkpoint" in message for message in messages)
