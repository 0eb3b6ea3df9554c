"""The output of --dry_run, parsed and counted."""

import dataclasses
import json
import math
import shutil

from program import tree

from config.settings import Config
from config.stored import write_config
from data.load import Outlook
from model import Discriminator, Generator
from runs.claims import claim_run_folders
from system.devices import choose_kernel_forms_for_device
from training.dry_run import describe_dry_run


def test_it_tells_the_settings_the_layers_and_what_they_need():
    config = Config(output_height=33, output_width=47, stem_width=32, labels="folder")
    text = describe_dry_run(config, Outlook(1000, 3, ("a", "b")))
    end = text.index("}\n") + 2
    assert all(len(line) <= 100 for line in text[:end].splitlines())
    settings = json.loads(text[:end])
    assert (settings["c_dim"], settings["label_names"]) == (3, ["a", "b"])
    told = Config(**settings)

    lines = text[end:].splitlines()
    totals = [line.split()[1] for line in lines if line.startswith("  total")]
    for network, total in zip((Generator, Discriminator), totals, strict=True):
        weights = network(told.network_config()).trainable_variables
        assert int(total.replace(",", "")) == sum(math.prod(weight.shape) for weight in weights)

    facts = {line[:9].strip(): line[9:] for line in lines if line[:9].strip()}
    assert facts["images"].startswith("1,000: ")
    assert "391 steps" in facts["run"]  # 25 epochs of 1,000 images in batches of 64
    assert facts["disk"] == "4.7 MB for the decoded images"  # 33 * 47 * 3 * 1000
    assert "disk     4.66 GB for" in describe_dry_run(config, Outlook(1_000_000, 3, ("a", "b")))


def test_it_tells_how_many_images_will_be_held_out():
    config = Config(output_height=16, stem_width=32, holdout=0.1)
    text = describe_dry_run(config, Outlook(1000, 3, None))
    assert "images   1,000: " in text
    assert ", about 100 of them held out\n" in text
    assert ", about 352 steps, " in text  # 25 epochs of 900 images in batches of 64
    exact = describe_dry_run(dataclasses.replace(config, steps=7), Outlook(1000, 3, None))
    assert ", 7 steps, " in exact


def test_it_tells_what_augmentation_comes_to():
    config = Config(output_height=16, stem_width=32, augment="auto", holdout=0.5)
    text = describe_dry_run(config, Outlook(2000, 3, None))
    assert "\nvaried   1,000 images: DiffAugment, colour, translation, cutout" in text
    assert '"augment_kinds": "colour,translation,cutout"' in text
    assert "varied" not in describe_dry_run(
        dataclasses.replace(config, augment="none"), Outlook(9, 3, None)
    )


def test_it_tells_which_layers_are_matrix_products():
    config = Config(stem_width=256, d_widths="32,64,128,512", kernel_forms="products")
    text = describe_dry_run(config, Outlook(1000, 3, None))
    assert text[text.index("products gen") :] == (
        "products generator's conv1: forward, backward, gradient of the kernel\n"
        "         generator's conv2: gradient of the kernel\n"
        "         discriminator's conv3: gradient of the kernel\n"
        "         discriminator's conv4: forward, backward, gradient of the kernel"
    )
    tiny = dataclasses.replace(config, output_height=8, d_widths=None)  # one block: to pixels
    told = describe_dry_run(tiny, Outlook(1000, 3, None))
    assert "products generator's conv1: backward, gradient of the kernel\n" in told
    plain = dataclasses.replace(config, kernel_forms="plain")
    assert "products gen" not in describe_dry_run(plain, Outlook(1000, 3, None))


def test_it_tells_that_images_were_not_all_read(tiny):
    config = Config(output_height=16, stem_width=32)
    lines = describe_dry_run(config, Outlook(1000, 3, None, is_exact=False)).splitlines()
    assert "images   up to 1,000, without unreadable ones: largest centre crop -> 16x16" in lines
    assert any(", about 391 steps, " in line for line in lines)
    assert "disk     up to 0.8 MB for the decoded images" in lines


def test_it_tells_that_a_run_is_in_use(held, tiny):
    config = tiny(out_name="run")
    text = describe_dry_run(config, Outlook(20, 3, None))
    assert f"in use   by process {held.pid} on " in text
    held.kill()
    held.wait()
    lock = config.run_dir / "lock"
    before = lock.read_bytes()
    assert "in use" not in describe_dry_run(config, Outlook(20, 3, None))
    assert lock.read_bytes() == before


def test_it_tells_where_a_run_is_and_what_is_left(trained):
    """5 steps of 8 images, of 3 epochs of 20: 20 more images, in steps of 4."""
    config = dataclasses.replace(trained(epoch=3, blocks=1), batch_size=4)
    text = describe_dry_run(config, Outlook(20, 3, None))
    [line] = [line for line in text.splitlines() if line.startswith("run ")]
    assert f"{config.run_dir}, at step 5 of 10 (epoch 2.00), 5 to do, " in line
    shorter = describe_dry_run(dataclasses.replace(config, epoch=1), Outlook(20, 3, None))
    assert "at step 5 (epoch 2.00), nothing to do: set --epoch above 2" in shorter


def test_it_tells_what_will_be_put_aside_and_changes_nothing(tiny):
    """First there were no checkpoints yet; then they are gone."""
    config = tiny(out_name="run", ckpt_freq=20, mixed_precision="bfloat16")
    forms = choose_kernel_forms_for_device("auto", "bfloat16")  # as training stores it
    found = dataclasses.replace(config, c_dim=3, kernel_forms=forms).resolve()
    (config.run_dir / "logs").mkdir(parents=True)
    (config.run_dir / "logs" / "metrics.jsonl").write_text('{"step": 20}\n')
    claim_run_folders(config)
    write_config(found)
    before = tree(config.run_dir)
    lines = describe_dry_run(config, Outlook(20, 3, None)).splitlines()
    assert lines[-1] == "again    from step 0: the run was stopped before its first checkpoint"
    longer = describe_dry_run(dataclasses.replace(config, steps=70), Outlook(20, 3, None))
    assert longer.splitlines()[-1].startswith("aside    logs, config.json (there is no checkpoint")

    shutil.rmtree(config.checkpoint_path)
    before = {name: text for name, text in before.items() if "checkpoints" not in name}
    [line] = [
        x for x in describe_dry_run(config, Outlook(20, 3, None)).splitlines() if x[:6] == "aside "
    ]
    told = "(there is no checkpoint: training starts over)"
    assert line == f"aside    logs, config.json {told}"
    assert tree(config.run_dir) == before


def test_it_tells_that_the_folder_of_pictures_was_moved(trained, tmp_path):
    config = trained(sample_dir=str(tmp_path / "pictures"))
    config.sample_path.mkdir()
    (config.sample_path / "train_00000005.png").touch()
    assert "\npictures " not in describe_dry_run(config, Outlook(20, 3, None))
    config.sample_path.rename(tmp_path / "moved")
    told = f"\npictures {config.sample_path}, where {config.run_dir} put its pictures, is gone"
    text = describe_dry_run(config, Outlook(20, 3, None))
    assert told in text
    assert "--sample_dir=NEWPLACE to each command until the next training, which stores it." in text
    assert not config.sample_path.exists()


def test_a_layer_is_a_line_with_its_arithmetic():
    """The second convolution of the original's discriminator."""
    text = describe_dry_run(Config(), Outlook(64, 3, None))
    [line] = [line for line in text.splitlines() if "32x32x64" in line and "16x16x128" in line][1:]
    name, inputs, kernel, stride, pads, output, overlap, field, parameters, megaflops = line.split()
    assert (name, inputs, output) == ("conv2", "32x32x64", "16x16x128")
    assert (kernel, stride, pads, overlap, field) == ("5", "2", "1+2", "uneven", "13")
    assert int(parameters.replace(",", "")) == 5 * 5 * 64 * 128 + 128 + 2 * 128
    assert float(megaflops) == round(2 * 16 * 16 * 5 * 5 * 64 * 128 / 1e6, 1)


def test_it_tells_what_is_known_of_the_steps_of_a_run_by_minutes(trained):
    config = Config(output_height=16, stem_width=32, minutes=90)
    text = describe_dry_run(config, Outlook(1000, 3, None))
    assert ", as many steps as fit into 1 hour 30 minutes, " in text
    run = trained(minutes=20, planned_steps=900)  # of it, 5 are done
    assert "at step 5 of about 900 (epoch 2.00), about 895 to do" in describe_dry_run(
        run, Outlook(20, 3, None)
    )
    longer = dataclasses.replace(run, minutes=30)
    assert "at step 5, as many steps as fit into 30 minutes" in describe_dry_run(
        longer, Outlook(20, 3, None)
    )
    write_config(dataclasses.replace(run, planned_steps=5))
    assert "nothing to do: set --minutes above 20" in describe_dry_run(run, Outlook(20, 3, None))
