"""main.py up to its second step; prints the seconds of the first step's parts as JSON.

    python -m benchmarks.first_step UNIX_TIME --dataset PATH --train ...

UNIX_TIME is when the process was started. benchmarks.startup runs this; it is not for use alone.
"""

import contextlib
import json
import os
import sys
import time

import main
from system import devices

STARTED = float(sys.argv.pop(1))
spent = {"python, absl, main.py": time.time() - STARTED}
steps = []  # (begin, end) of each


@contextlib.contextmanager
def time_part(part: str):
    begin = time.time()
    yield
    spent[part] = time.time() - begin


def measure_imports(quietly_import_tensorflow):
    """Wraps the function: times it and what came before it, then imports and patches `train`."""

    def import_and_measure(**options):
        spent["data: import, find, pack"] = time.time() - STARTED - sum(spent.values())
        with time_part("import TensorFlow and Keras"):
            quietly_import_tensorflow(**options)
        with time_part("import the rest"):
            patch_train()

    return import_and_measure


def patch_train() -> None:
    """Makes `train` measure its networks, their tracing and the steps."""
    import train

    class TimedNetworks(train.DCGAN):
        def __init__(self, *arguments, **options):
            with time_part("networks, optimizers"):
                super().__init__(*arguments, **options)

    class TimedSteps(train.Steps):
        def __init__(self, *arguments, **options):
            with time_part("tracing the step"):
                super().__init__(*arguments, **options)
            self.untimed_call, self.call = self.call, self.timed_call

        def timed_call(self, *inputs):
            begin = time.time()
            results = self.untimed_call(*inputs)
            float(results["g_loss"])  # waits for the device
            steps.append((begin, time.time()))
            if len(steps) == 2:
                print_and_exit()
            return results

    train.DCGAN, train.Steps = TimedNetworks, TimedSteps


def print_and_exit() -> None:
    """Prints the parts and ends the process. The second step's time counts as computing a step."""
    (first_begin, first_end), (second_begin, second_end) = steps
    computing = second_end - second_begin
    spent["checkpoints, logs, pictures, first batch"] = first_begin - STARTED - sum(spent.values())
    spent["tracing the call, optimising the graph"] = first_end - first_begin - computing
    spent["computing a step"] = computing
    spent["to the first step's end"] = first_end - STARTED

    print(json.dumps(spent), flush=True)
    os._exit(0)


devices.quietly_import_tensorflow = measure_imports(devices.quietly_import_tensorflow)
sys.exit(main.main(sys.argv))
