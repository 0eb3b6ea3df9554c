"""How the workers of a run keep together: what they compare before the first step, and what the
chief, the first of them, says after each call of steps.

The chief decides and alone writes; the others take its word. All of it goes through the strategy's
all-gather, which fails when a worker is lost, so that nobody waits in vain.
"""

import dataclasses
import json
import threading
from collections.abc import Iterator

import numpy as np

from config.settings import PLACES, SETTINGS, Config
from config.stored import make_config_from_dict
from distribution import gather_from_workers, gather_texts_from_workers
from runs.checkpoints import DivergedError
from system.cluster import Workers
from system.devices import choose_precision_for_device, find_device_type
from system.versions import find_library_versions, fingerprint_program
from training.minutes import RunLength

GO_ON, END, GO_BACK = range(3)  # the chief's word; GO_BACK: to the last checkpoint
# A worker keeps its own of these: folders may have other paths there, and the images are compared
# by their fingerprint.
OWN_SETTINGS = (*PLACES, "dataset", "first_dataset", "dataset_place")
# No flags, but compared all the same. The others come from the run's folder, like its checkpoints.
OF_IMAGES = ("dataset_fingerprint", "label_names", "labels_fingerprint")
NAMES = {
    "dataset_fingerprint": "images",
    "label_names": "labels",
    "labels_fingerprint": "labels for the images",
    "device": "kind of device",
    "program": "version of this program",
}


def check_workers_agree(workers: Workers | None, config: Config) -> None:
    """Raises ValueError, on all of them, unless all workers have the same settings, images, kind of
    device and versions. Waits until all have come here.
    """
    if workers is None:
        return
    flags = [name for name, setting in SETTINGS.items() if setting.flag or name in OF_IMAGES]
    mine = {name: getattr(config, name) for name in flags if name not in OWN_SETTINGS}
    mine |= {"mixed_precision": choose_precision_for_device(config.mixed_precision)}
    mine |= find_library_versions() | {"program": fingerprint_program()}
    mine |= {"device": find_device_type()}
    told = [json.loads(text) for text in gather_texts_from_workers(workers, json.dumps(mine))]
    for index, other in enumerate(told):
        for name in {**told[0], **other}:
            one, two = (each.get(name) for each in (told[0], other))
            if one != two:
                raise ValueError(_explain_difference(workers, index, name, one, two))


def _explain_difference(workers: Workers, index: int, name: str, one, two) -> str:
    """one, two: what the chief and worker `index` have."""
    what = f"--{name}" if name in SETTINGS else f"version of {name}"
    what = NAMES.get(name, what)
    return (
        f"All workers must have the same {what}. Received: {str(one)[:40]} on "
        f"{workers.name_worker(0)}, {str(two)[:40]} on {workers.name_worker(index)}. Start all "
        "with the same command, program and data."
    )


def take_settings_of_chief(workers: Workers | None, config: Config) -> Config:
    """The settings as the chief has them, which knows what happened to the run; a worker's own
    folders stay.
    """
    if workers is None:
        return config
    told = gather_texts_from_workers(workers, json.dumps(dataclasses.asdict(config)))
    own = {name: getattr(config, name) for name in OWN_SETTINGS}
    return make_config_from_dict(json.loads(told[0]) | own, workers.name_worker(0))


def agree_on_start(workers: Workers | None, start: int, total: int) -> int:
    """The chief's `total`. Raises ValueError, on all workers, unless all begin at step `start`."""
    if workers is None:
        return total
    numbers = gather_from_workers(workers, np.array([start, total], np.int64))
    for index, (step, _) in enumerate(numbers):
        if step != numbers[0, 0]:
            raise ValueError(
                f"All workers must read the same checkpoints. Received: step {numbers[0, 0]:,} on "
                f"{workers.name_worker(0)}, step {step:,} on {workers.name_worker(index)}. Give "
                "an --out_dir that all share."
            )
    return int(numbers[0, 1])


class Lead:
    """A context in which the chief leads the other workers through its loop; alone, it does
    nothing.

    It ends the others' loops with its own, and sends them back to the last checkpoint when its own
    block raises DivergedError. A stop signal that another worker received sets `stop`.
    """

    def __init__(self, workers: Workers | None, stop: threading.Event, length: RunLength):
        self.workers, self.stop, self.length = workers, stop, length

    def __enter__(self) -> "Lead":
        return self

    def lead_through_calls(self, calls: Iterator) -> Iterator:
        """`calls`, telling the others to go on whenever the loop asks for the next."""
        for call in calls:
            yield call
            self._tell(GO_ON)

    def __exit__(self, kind: type[BaseException] | None, *_) -> None:
        if kind is None:
            self._tell(END)
        elif issubclass(kind, DivergedError):
            self._tell(GO_BACK)

    def _tell(self, word: int) -> None:
        if self.workers is None:
            return
        numbers = np.array([self.stop.is_set(), word, self.length.total], np.int64)
        if gather_from_workers(self.workers, numbers)[:, 0].any():
            self.stop.set()


def hear_chief(workers: Workers, stop: threading.Event) -> tuple[int, int]:
    """(the chief's word after a call of steps, the run's total steps), for the other workers.

    stop: whether this worker received a stop signal; the chief then ends after the next call.
    """
    mine = np.array([stop.is_set(), GO_ON, 0], np.int64)
    _, word, total = gather_from_workers(workers, mine)[0].tolist()
    return word, total


def wait_for_workers(workers: Workers | None) -> None:
    """Waits until all have come here, so that none takes a finished one for lost."""
    if workers:
        gather_from_workers(workers, np.zeros(1, np.int64))
