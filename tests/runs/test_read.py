"""The settings that runs have stored are read, with what is damaged left out."""

from config.stored import write_config
from runs.read import read_all_runs, read_away_runs, read_begun_runs, read_run, read_run_settings


def test_trained_begun_and_damaged_runs(trained, tiny):
    """Only a run with a checkpoint is trained; a damaged one hides neither kind."""
    config = trained(out_name="whole")
    begun = tiny(out_name="begun")
    begun.run_dir.mkdir()
    write_config(begun)
    damaged = tiny(out_name="damaged")
    damaged.run_dir.mkdir()
    (damaged.run_dir / "config.json").write_text("{")

    out = config.run_dir.parent
    assert read_all_runs(out) == {"whole": config}
    assert read_begun_runs(out) == {"begun": begun}
    assert read_run(begun.run_dir) is None
    assert read_run_settings(begun.run_dir) == begun
    assert read_run_settings(out / "none") is None


def test_a_run_is_where_it_was_read(trained):
    config = trained()
    moved = config.run_dir.rename(config.run_dir.with_name("moved"))
    assert config.out_name != "moved"
    assert read_run(moved).run_dir == moved


def test_a_run_whose_checkpoints_are_away_is_of_a_kind_of_its_own(trained, tmp_path):
    (tmp_path / "out" / "mine").mkdir(parents=True)
    config = trained(out_name="mine", checkpoint_dir=str(tmp_path / "usb"))
    out = config.run_dir.parent
    assert read_away_runs(out) == {}
    (tmp_path / "usb").rename(tmp_path / "unplugged")
    assert read_away_runs(out) == {config.name: config}
    assert read_all_runs(out) == read_begun_runs(out) == {}
