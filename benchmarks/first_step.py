"""main.py until its second step: prints seconds of the first step's parts as JSON. For benchmarks/startup.py.

  python -m benchmarks.first_step UNIX_TIME --dataset PATH --train ...

UNIX_TIME is when the process was started.
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
steps = []


@contextlib.contextmanager
def timed(part: str):
    begin = time.time()
    yield
    spent[part] = time.time() - begin


def with_time_stamps(quietly_import_tensorflow):
    def imported():
        spent["data: import, find, pack"] = time.time() - STARTED - sum(spent.values())
        with timed("import TensorFlow and Keras"):
            quietly_import_tensorflow()
        with timed("import the rest"):
            measure_steps()

    return imported


def measure_steps() -> None:
    import train

    class TimedNetworks(train.DCGAN):
        def __init__(self, *arguments, **options):
            with timed("networks, optimizers"):
                super().__init__(*arguments, **options)

    class TimedSteps(train.Steps):
        def __init__(self, *arguments, **options):
            with timed("tracing the step"):
                super().__init__(*arguments, **options)
            self.compiled, self.call = self.call, self.timed_call

        def timed_call(self, *inputs):
            begin = time.time()
            results = self.compiled(*inputs)
            float(results["g_loss"])  # waits for the device
            steps.append((begin, time.time()))
            if len(steps) == 2:
                tell()
            return results

    train.DCGAN, train.Steps = TimedNetworks, TimedSteps


def tell() -> None:
    """Prints the parts and ends the process: a step's computing is what the second step takes."""
    (began, first), (second_began, second) = steps
    computing = second - second_began
    spent["checkpoints, logs, pictures, first batch"] = began - STARTED - sum(spent.values())
    spent["tracing the call, optimising the graph"] = first - began - computing
    spent["computing a step"] = computing
    spent["to the first step's end"] = first - STARTED
    print(json.dumps(spent), flush=True)
    os._exit(0)


devices.quietly_import_tensorflow = with_time_stamps(devices.quietly_import_tensorflow)
sys.exit(main.main(sys.argv))
