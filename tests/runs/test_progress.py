"""How far a run is, by hand."""

import dataclasses

from config.stored import write_config
from runs.progress import (
    Progress,
    derive_older_images_per_step,
    describe_changes_of_step_size,
    keep_planned_steps,
    read_run_settings_before_flags,
)


def test_images_are_counted_from_what_was_shown():
    progress = Progress(10, 640)
    assert progress.count_images_shown(10, 128) == 640
    assert progress.count_images_shown(12, 128) == 640 + 2 * 128
    assert progress.count_images_shown(0, 64) == 0  # the size has not changed
    assert progress.count_images_shown(0, 128) == -640
    assert progress.count_images_shown(0, 32) == 320


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
