import shlex
import shutil

import pytest

from config.stored import write_config
from gan import DCGAN
from runs.checkpoint_files import list_checkpoints
from runs.checkpoints import Checkpoints, read_progress
from runs.claims import claim_folder
from runs.commands import find_typed_program
from runs.moved import check_run_is_in_place, remake_folder_in_run, run_kept_in_place
from runs.read import read_run
from system.locks import lock_folder


@pytest.fixture
def training(tiny):
    """The checkpoints of a run that this thread trains: it is locked, and has saved step 5."""
    config = tiny(out_name="run").resolve()
    with lock_folder(config.run_dir):
        checkpoints = Checkpoints(DCGAN(config), config)
        checkpoints.save(5)
        write_config(config)
        yield checkpoints
    assert not list(config.run_dir.parent.rglob("lock"))


def test_a_run_in_its_place_goes_on(training):
    check_run_is_in_place(training, 7, saves=True)
    (training.config.run_dir / "lock").unlink()  # by a user who takes it for a leftover
    check_run_is_in_place(training, 7, saves=True)
    assert [path.name for path in list_checkpoints(training.folder)] == ["step-5"]


def test_a_removed_folder_of_checkpoints_is_made_again_with_its_owner(training, messages):
    claim_folder(training.config, training.folder)
    claim = (training.folder / "run.json").read_bytes()
    shutil.rmtree(training.folder)
    check_run_is_in_place(training, 7, saves=False)
    assert not training.folder.exists()
    for _ in range(2):
        check_run_is_in_place(training, 7, saves=True)
    assert (training.folder / "run.json").read_bytes() == claim
    assert messages == [f"{training.folder} was gone and was made again."]


def test_a_renamed_run_goes_on_from_its_last_checkpoint(training):
    """The steps after it are done again, so that none lacks its logs or its grid."""
    config = training.config
    moved = config.run_dir.rename(config.run_dir.with_name("faces"))
    with pytest.raises(ValueError, match=r"/run was moved to .*/faces while it trained") as error:
        check_run_is_in_place(training, 7, saves=True)
    assert "training stopped at step 7. The last checkpoint is of step 5. To" in str(error.value)
    program = shlex.join(find_typed_program())
    command = f"{program} --out_dir={moved.parent} --out_name=faces --train"
    assert str(error.value).endswith(f"To continue: {command}")
    assert read_progress(read_run(moved)).step == 5
    assert not config.run_dir.exists()


def test_a_run_renamed_before_its_first_checkpoint_starts_over(tiny):
    config = tiny(out_name="run").resolve()
    with lock_folder(config.run_dir):
        moved = config.run_dir.rename(config.run_dir.with_name("faces"))
        with pytest.raises(ValueError, match=r"at step 7\. It has no checkpoint yet\.") as error:
            check_run_is_in_place(Checkpoints(DCGAN(config), config), 7, saves=True)
    program = shlex.join(find_typed_program())
    command = f"{program} --out_dir={moved.parent} --out_name=faces --train"
    assert str(error.value).endswith(f"To start over: {command}")
    assert not config.run_dir.exists()


def test_a_removed_run_is_saved_in_its_old_place(training):
    config = training.config
    shutil.rmtree(config.run_dir)
    with pytest.raises(
        ValueError, match=r"/run was moved or removed .* Step 7 was saved in the old"
    ):
        check_run_is_in_place(training, 7, saves=True)
    assert read_progress(read_run(config.run_dir)).step == 7


def test_a_run_behind_a_link_that_goes_is_found(tiny, tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "disk")
    config = tiny(out_name="run").resolve()
    with lock_folder(config.run_dir):
        checkpoints = Checkpoints(DCGAN(config), config)
        check_run_is_in_place(checkpoints, 5, saves=False)
        (tmp_path / "out").unlink()
        with pytest.raises(ValueError, match=r"/out/run was moved to .*/disk/run while"):
            check_run_is_in_place(checkpoints, 7, saves=True)


def test_what_is_not_finite_is_not_saved_there(training):
    shutil.rmtree(training.config.run_dir)
    with pytest.raises(ValueError, match="while it trained, and training stopped"):
        check_run_is_in_place(training, 7, saves=False)
    assert not training.config.run_dir.exists()


@pytest.fixture
def move_while_saving(monkeypatch):
    """Moves the run of these checkpoints when the next save has begun."""

    def arrange(checkpoints):
        run_dir, write = checkpoints.config.run_dir, checkpoints._write_checkpoint_files

        def move_and_write(prefix):
            run_dir.rename(run_dir.with_name("faces"))
            write(prefix)

        monkeypatch.setattr(checkpoints, "_write_checkpoint_files", move_and_write)

    return arrange


def test_a_run_renamed_while_a_checkpoint_is_written_leaves_nothing(training, move_while_saving):
    config = training.config
    move_while_saving(training)
    told = r"at step 7\. The last checkpoint is of step 5\. To continue"
    with pytest.raises(ValueError, match=told), run_kept_in_place(training, 7):
        training.save(7)
    assert [path.name for path in config.run_dir.parent.iterdir()] == ["faces"]
    assert read_progress(read_run(config.run_dir.with_name("faces"))).step == 5


def test_a_checkpoint_elsewhere_stays_when_the_run_is_renamed(tiny, tmp_path, move_while_saving):
    config = tiny(out_name="run", checkpoint_dir=str(tmp_path / "checkpoints")).resolve()
    with lock_folder(config.run_dir):
        checkpoints = Checkpoints(DCGAN(config), config)
        checkpoints.save(5)
        move_while_saving(checkpoints)
        told = r"at step 7\. The last checkpoint is of step 7\. To continue"
        with pytest.raises(ValueError, match=told), run_kept_in_place(checkpoints, 7):
            checkpoints.save(7)
    assert [path.name for path in list_checkpoints(checkpoints.folder)] == ["step-5", "step-7"]
    assert not config.run_dir.exists()


def test_a_run_removed_while_a_checkpoint_is_written_is_saved_again(training, monkeypatch):
    config, write = training.config, training._write_checkpoint_files

    def remove_and_write(prefix):
        shutil.rmtree(config.run_dir)
        monkeypatch.undo()
        write(prefix)

    monkeypatch.setattr(training, "_write_checkpoint_files", remove_and_write)
    told = r"was moved or removed .* Step 7 was saved in the old place\. .*--train"
    with pytest.raises(ValueError, match=told), run_kept_in_place(training, 7):
        training.save(7)
    assert read_progress(read_run(config.run_dir)).step == 7


def test_other_failures_to_save_are_told_as_they_are(training):
    with pytest.raises(OSError, match="full"), run_kept_in_place(training, 7):
        raise OSError("full")


@pytest.fixture
def run_dir(tmp_path):
    folder = tmp_path / "out" / "run"
    folder.mkdir(parents=True)
    return folder


@pytest.mark.parametrize("name", ["logs", "samples/of/training"])
def test_a_removed_folder_of_a_run_is_made_again(run_dir, messages, name):
    assert remake_folder_in_run(run_dir, run_dir / name)
    assert (run_dir / name).is_dir()
    assert messages == [f"{run_dir / name} was gone and was made again."]
    assert not remake_folder_in_run(run_dir, run_dir / name)
    assert len(messages) == 1


def test_no_folder_of_a_moved_run_or_on_another_disk_is_made_again(run_dir, tmp_path, messages):
    elsewhere = tmp_path / "disk" / "samples"
    (run_dir / "samples").symlink_to(elsewhere)
    for folder in (elsewhere, run_dir / "samples", run_dir / ".." / "samples"):
        assert not remake_folder_in_run(run_dir, folder)
    run_dir.rename(run_dir.with_name("faces"))
    assert not remake_folder_in_run(run_dir, run_dir / "logs")
    assert [path.name for path in run_dir.parent.iterdir()] == ["faces"]
    assert not elsewhere.parent.exists() and messages == []
