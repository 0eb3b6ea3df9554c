"""The progress of a run, computed by hand."""

import dataclasses

from config.stored import write_config
from runs.progress import (
    Progress,
    derive_older_images_per_step,
    describe_changes_of_step_size,
    keep_planned_steps,
    read_run_settings_before_flags,
    record_epoch_size,
    restate_progress_for_epoch_size,
)


def test_images_are_counted_from_what_was_shown():
    progress = Progress(10, 640)
    assert progress.count_images_shown(10, 128) == 640
    assert progress.count_images_shown(12, 128) == 640 + 2 * 128
    assert progress.count_images_shown(0, 64) == 0  # the size has not changed
    assert progress.count_images_shown(0, 128) == -640
    assert progress.count_images_shown(0, 32) == 320


def test_epochs_stay_what_they_were_when_their_size_changes(tiny):
    """10 epochs of 100 images, 5 of 200, then 60 of 20; by hand."""
    config = tiny()
    config.run_dir.mkdir(parents=True)
    for shown, size, sizes in (
        (0, 100, (0, 100)),
        (700, 100, (0, 100)),
        (1000, 200, (0, 100, 1000, 200)),
        (1000, 300, (0, 100, 1000, 300)),  # nothing was shown in between
        (1000, 200, (0, 100, 1000, 200)),
        (2000, 20, (0, 100, 1000, 200, 2000, 20)),
    ):
        config = record_epoch_size(tiny(), Progress(9, shown), size)
        assert config.epoch_sizes == sizes
        write_config(config)

    for shown, epochs in ((0, 0), (500, 5), (1000, 10), (1600, 13), (2000, 15), (3200, 75)):
        for today in (20, 300):
            restated = restate_progress_for_epoch_size(config, Progress(9, shown), today)
            assert restated == Progress(9, epochs * today)
    back = record_epoch_size(tiny(), Progress(9, 1500), 20)  # later checkpoints are gone
    assert back.epoch_sizes == (0, 100, 1000, 200, 1500, 20)


def test_without_a_change_progress_is_itself_to_the_image(tiny):
    for shown in (0, 1, 63, 12_345_678_901):
        progress = Progress(3, shown)
        for config in (tiny(), tiny(epoch_sizes=(0, 97))):
            assert restate_progress_for_epoch_size(config, progress, 97) == progress


def test_older_checkpoints_had_the_steps_of_the_settings_on_disk(tiny):
    assert derive_older_images_per_step(tiny(batch_size=4)) == 4  # there is no run
    tiny().run_dir.mkdir(parents=True)
    write_config(tiny(batch_size=8, d_updates=3))
    today = tiny(batch_size=4)
    assert derive_older_images_per_step(today) == 24
    write_config(tiny(batch_size=4, older_images_per_step=24))
    assert derive_older_images_per_step(today) == 24


def test_settings_that_cannot_be_read_are_todays(tiny):
    config = tiny()
    config.run_dir.mkdir(parents=True)
    (config.run_dir / "config.json").write_text("{")
    assert read_run_settings_before_flags(config) == config


def test_only_what_changes_the_images_of_a_step_is_named(tiny):
    stored = tiny(batch_size=8, g_updates=2)
    assert describe_changes_of_step_size(tiny(epoch=9, g_updates=1), stored) == ""
    assert (
        describe_changes_of_step_size(tiny(batch_size=16), stored)
        == "--batch_size is 16 now and was 8"
    )
    alternating = tiny(alternate=True, g_updates=2)
    assert "--alternate is True now" in describe_changes_of_step_size(alternating, stored)


def test_a_plan_belongs_to_its_run_and_to_as_many_minutes(tiny):
    config = tiny(minutes=20)
    planned = dataclasses.replace(config, planned_steps=900)
    assert keep_planned_steps(planned).planned_steps is None  # there is no such run
    config.run_dir.mkdir(parents=True)
    write_config(planned)
    assert keep_planned_steps(config) == planned
    assert keep_planned_steps(dataclasses.replace(planned, minutes=30)).planned_steps is None
    assert keep_planned_steps(tiny(steps=5)).planned_steps is None
