import shutil

import pytest

from config.stored import write_config
from gan import DCGAN
from runs.checkpoint_files import list_checkpoints
from runs.checkpoints import Checkpoints, read_progress
from runs.find import read_run
from runs.moved import check_run_is_in_place
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


def test_a_renamed_run_is_saved_where_it_is_now(training):
    config = training.config
    moved = config.run_dir.rename(config.run_dir.with_name("faces"))
    with pytest.raises(ValueError, match=r"/run was moved to .*/faces while it trained") as error:
        check_run_is_in_place(training, 7, saves=True)
    assert "step 7 was saved in " in str(error.value)
    assert str(error.value).endswith(f"add --train --out_dir={moved.parent} --out_name=faces.")
    assert read_progress(read_run(moved)).step == 7
    assert not config.run_dir.exists()


def test_a_removed_run_is_saved_in_its_old_place(training):
    config = training.config
    shutil.rmtree(config.run_dir)
    with pytest.raises(ValueError, match="/run was moved or removed while it trained"):
        check_run_is_in_place(training, 7, saves=True)
    assert read_progress(read_run(config.run_dir)).step == 7


def test_what_is_not_finite_is_not_saved_there(training):
    config = training.config
    moved = config.run_dir.rename(config.run_dir.with_name("faces"))
    with pytest.raises(ValueError, match="while it trained, and training stopped"):
        check_run_is_in_place(training, 7, saves=False)
    assert read_progress(read_run(moved)).step == 5
    assert not config.run_dir.exists()
