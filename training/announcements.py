"""What a training says before its first step."""

import shlex

from absl import logging

from config.settings import Config
from system import devices
from system.memory import measure_available_memory


def announce(
    config: Config, *, start: int, total: int, precision: str, jit: bool, step_bytes: float
) -> None:
    """Says what begins or goes on and where, warns of too little memory and of an unused GPU.

    start, total: steps done and to do; step_bytes: what a step needs.
    """
    device = devices.find_device_type()
    logging.info(
        "%s: %s, until step %s, on %s in %s%s.",
        config.run_dir,
        f"going on at step {start:,}" if start else "starting",
        f"{total:,}",
        device,
        precision,
        " with XLA" if jit else "",
    )
    if devices.nvidia_gpu_is_unused():
        logging.warning(
            "TensorFlow cannot use the NVIDIA GPU here: pip install 'tensorflow[and-cuda]==2.21.*'"
        )

    free = measure_available_memory()
    if device == "CPU" and free is not None and step_bytes > free:
        logging.warning(
            "A step needs about %.1f GB of memory, and %.1f GB are free. If the system ends the "
            "program, lower --batch_size=%s or --stem_width=%s.",
            *(step_bytes / 1e9, free / 1e9, config.batch_size, config.stem_width),
        )
    logs = shlex.quote(str(config.run_dir / "logs"))
    logging.info("watch it with: tensorboard --logdir %s", logs)
