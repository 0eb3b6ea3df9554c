"""TensorBoard's table of settings, read the way TensorBoard reads it."""

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import api as hparams
from tensorboard.plugins.hparams import metadata, plugin_data_pb2

from training.events import Events
from training.hparams import write_hparams_for_tensorboard


def read_hparams(folder) -> dict:
    events = EventAccumulator(str(folder))
    events.Reload()
    content = events.summary_metadata[metadata.SESSION_START_INFO_TAG].plugin_data.content
    stored = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info.hparams
    return {name: getattr(value, value.WhichOneof("kind")) for name, value in stored.items()}


def test_it_tells_the_settings_that_shape_a_training(tiny):
    config = tiny(g_widths=(8, 4))
    config.run_dir.mkdir(parents=True)
    write_hparams_for_tensorboard(config, config.run_dir)
    shown = read_hparams(config.run_dir)
    assert (shown["batch_size"], shown["g_widths"], shown["crop"]) == (8, "8,4", True)
    assert not {"out_dir", "sample_freq", "steps"} & set(shown)


def test_the_newest_settings_win_over_those_of_earlier_processes(tiny):
    """Up to commit 67980ae they were at the start of a run's first file, and stayed there."""
    config = tiny(learning_rate=1e-3)
    config.run_dir.mkdir(parents=True)
    events = Events(config.run_dir)
    with events.record_summaries_of_step(0):
        hparams.hparams({"learning_rate": 1.0}, trial_id="old")
    events.close()
    for rate in (1e-3, 1e-4):
        write_hparams_for_tensorboard(tiny(learning_rate=rate), config.run_dir)
        assert read_hparams(config.run_dir)["learning_rate"] == rate


def test_where_it_cannot_be_written_training_goes_on(tiny, tmp_path):
    write_hparams_for_tensorboard(tiny(), tmp_path / "gone")
    assert not (tmp_path / "gone").exists()
