"""How much memory this process may still use."""

import contextlib
import os
from pathlib import Path

try:
    import resource
except ImportError:  # Windows
    resource = None

# Files with the limit and the use of this process's container, if it is in one: in version 2 of
# Linux's control groups and in version 1.
CGROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)


def measure_available_memory() -> int | None:
    """The smallest number of bytes that the system, the container or `ulimit` still allows.

    None if none of them says. Memory that only caches files counts as available in the system, but
    as used in a container.
    """
    grants = [_read_system_memory(), _read_ulimit_memory()]
    grants += [_read_container_memory(limit, used) for limit, used in CGROUPS]
    return min((grant for grant in grants if grant is not None), default=None)


def _read_system_memory() -> int | None:
    with contextlib.suppress(OSError), open("/proc/meminfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("MemAvailable:"):
                return 1024 * int(line.split()[1])
    return None


def _read_container_memory(limit: str, used: str) -> int | None:
    with contextlib.suppress(OSError, ValueError):  # without a limit the file says "max"
        return int(Path(limit).read_text()) - int(Path(used).read_text())
    return None


def _read_ulimit_memory() -> int | None:
    """What `ulimit -v` leaves."""
    if resource is None:
        return None
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return None

    with contextlib.suppress(OSError):
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        return limit - pages * os.sysconf("SC_PAGE_SIZE")
    return None
