"""How much memory there is to use."""

import contextlib
import os
from pathlib import Path

try:
    import resource
except ImportError:  # Windows
    resource = None

# (limit, use) of the container that this process may be in: version 2 of Linux' control groups, then version 1.
CGROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)


def available_bytes() -> int | None:
    """What the system, the container or the shell's limit could still give, caches included; None where none says."""
    free = [_of_machine(), _of_limit()]
    for limit, used in CGROUPS:
        with contextlib.suppress(OSError, ValueError):  # "max" is no number
            free.append(int(Path(limit).read_text()) - int(Path(used).read_text()))
    return min((number for number in free if number is not None), default=None)


def _of_machine() -> int | None:
    with contextlib.suppress(OSError), open("/proc/meminfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("MemAvailable:"):
                return 1024 * int(line.split()[1])
    return None


def _of_limit() -> int | None:
    """What `ulimit -v` leaves."""
    if (
        resource is None
        or (limit := resource.getrlimit(resource.RLIMIT_AS)[0]) == resource.RLIM_INFINITY
    ):
        return None
    with contextlib.suppress(OSError):
        return limit - int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf(
            "SC_PAGE_SIZE"
        )
    return None
