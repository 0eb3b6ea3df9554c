"""The processes, called workers, that train one run together, as their environment names them.

Three places are read, and the first that names more than one worker counts:

- TF_CONFIG, TensorFlow's own: {"cluster": {"worker": ["a:2222", "b:2222"]}, "task": {"type":
  "worker", "index": 0}}. A "chief" beside the workers is the first of them.
- SLURM's variables of a job step (srun): SLURM_PROCID, SLURM_STEP_NUM_TASKS, SLURM_STEP_NODELIST
  and SLURM_STEP_TASKS_PER_NODE. TensorFlow has a SlurmClusterResolver, but that sorts the nodes'
  names as text, so that n10 comes before n2 and its process gets another's address.
- JOB_COMPLETION_INDEX, which Kubernetes sets in an indexed job, with WORKER_HOSTS, which the user
  sets: the pods' host names, separated by commas. Without WORKER_HOSTS, each pod trains alone.

In the latter two, WORKER_PORT is the first port on each host. Imports no TensorFlow.
"""

import contextlib
import itertools
import json
import os
import re
import socket
import time
from collections.abc import Mapping
from typing import NamedTuple

from absl import logging

FIRST_PORT = 8888  # as TensorFlow's SlurmClusterResolver has it
MAX_PORT = 65535
MAX_WORKERS = 2**16  # more than any cluster has: protects against [1-999999999]
MEET_SECONDS = 600  # for a scheduler to start all workers, and for each to find its images
POLL_SECONDS, ANSWER_SECONDS = 0.5, 5.0
NODES = r"(?P<prefix>[^,\[\]]+)(?:\[(?P<ranges>[\d,-]+)\](?P<suffix>[^,\[\]]*))?"
NODE_LIST = "{0}(,{0})*".format(re.sub(r"\?P<\w+>", "", NODES))
ADDRESS = re.compile(r"(?P<host>[^\s:]+|\[[^\s\]]+\]):(?P<port>\d{1,5})")


class Workers(NamedTuple):
    """This process among all that train together; worker 0, the chief, alone writes files.

    addresses: host:port of each. source: where they were found.
    """

    index: int
    addresses: tuple[str, ...]
    source: str

    @property
    def count(self) -> int:
        return len(self.addresses)

    @property
    def is_chief(self) -> bool:
        return self.index == 0

    def name_worker(self, index: int) -> str:
        """For people, who count from 1: "worker 2 of 4 at host:port"."""
        return f"worker {index + 1} of {self.count} at {self.addresses[index]}"


def find_workers(distribute: str, environment: Mapping[str, str] = os.environ) -> Workers | None:
    """The workers that share the run's steps; None for a process that trains alone.

    distribute: as in Config. Raises ValueError when the environment contradicts itself, and for
    "multiworker" when it names no workers.
    """
    if distribute not in ("auto", "multiworker"):
        return None
    named = False
    for read in (_read_tf_config, _read_slurm_variables, _read_indexed_job_variables):
        if workers := read(environment):
            named = True
            _check_workers(workers)
            if workers.count > 1:
                return workers
    if distribute == "multiworker" and not named:
        raise ValueError(
            "--distribute=multiworker needs the addresses of all workers. Received: neither "
            "TF_CONFIG, nor SLURM's variables of a job step, nor JOB_COMPLETION_INDEX and "
            "WORKER_HOSTS. docs/scaling.md shows how to set them."
        )
    return None


def is_chief(distribute: str) -> bool:
    """Whether this process writes the run's files, as it does alone or as the first worker."""
    workers = find_workers(distribute)
    return workers is None or workers.is_chief


def _read_tf_config(environment: Mapping[str, str]) -> Workers | None:
    text = environment.get("TF_CONFIG", "").strip()
    if not text:
        return None
    try:
        content = json.loads(text)
        cluster, task = content.get("cluster") or {}, content.get("task") or {}
        addresses = [*cluster.get("chief", ()), *cluster.get("worker", ())]
        kind, index = task.get("type"), task.get("index")
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise _make_tf_config_error(text[:100]) from error
    if not cluster:
        return None  # as TensorFlow has it: nothing is distributed
    if {*cluster} - {"chief", "worker"}:
        raise _make_tf_config_error(f"a cluster with {', '.join(sorted({*cluster}))}")
    if not all(isinstance(address, str) for address in addresses):
        raise _make_tf_config_error("addresses that are no text")
    if kind not in cluster or type(index) is not int:
        raise _make_tf_config_error(f"a task of type {kind!r} with index {index!r}")
    if not 0 <= index < len(cluster[kind]):
        raise _make_tf_config_error(f"index {index}, with {len(cluster[kind])} of type {kind}")
    index += len(cluster.get("chief", ())) if kind == "worker" else 0
    return Workers(index, tuple(addresses), "TF_CONFIG")


def _make_tf_config_error(received: str) -> ValueError:
    return ValueError(
        'TF_CONFIG must be JSON like {"cluster": {"worker": ["a:2222", "b:2222"]}, "task": '
        f'{{"type": "worker", "index": 0}}}}. Received: {received}. Correct it, unset it, or add '
        "--distribute=off."
    )


def _read_slurm_variables(environment: Mapping[str, str]) -> Workers | None:
    nodes = environment.get("SLURM_STEP_NODELIST")
    if not nodes or environment.get("SLURM_STEP_NUM_TASKS", "1") == "1":
        return None  # not under srun, or alone
    try:
        index = int(environment["SLURM_PROCID"])
        counts = expand_tasks_per_node(environment["SLURM_STEP_TASKS_PER_NODE"])
        hosts = expand_node_list(nodes)
        pairs = list(zip(hosts, counts, strict=True))
    except (KeyError, ValueError) as error:
        raise ValueError(
            "SLURM's variables must name this step's tasks: SLURM_PROCID, SLURM_STEP_NODELIST and "
            f"SLURM_STEP_TASKS_PER_NODE. Received: {nodes!r}, which cannot be read ({error}). Set "
            "TF_CONFIG, or add --distribute=off."
        ) from error
    first = _read_first_port(environment)
    addresses = [f"{host}:{first + k}" for host, count in pairs for k in range(count)]
    return Workers(index, tuple(addresses), "SLURM")


def expand_node_list(text: str) -> list[str]:
    """SLURM's "n[1-2,05],gpu" -> n1, n2, n05, gpu, in this order. Raises ValueError."""
    if not re.fullmatch(NODE_LIST, text):
        raise ValueError("not a list of nodes")
    hosts = []
    for match in re.finditer(NODES, text):
        prefix, ranges, suffix = match["prefix"], match["ranges"], match["suffix"] or ""
        numbers = _expand_ranges(ranges) if ranges else [""]
        hosts += [f"{prefix}{number}{suffix}" for number in numbers]
    if len(hosts) > MAX_WORKERS:
        raise ValueError(f"more than {MAX_WORKERS} nodes")
    return hosts


def _expand_ranges(text: str) -> list[str]:
    """ "1-2,05" -> 1, 2, 05: leading zeros stay."""
    numbers = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        last = last or first
        if int(last) - int(first) >= MAX_WORKERS:
            raise ValueError(f"more than {MAX_WORKERS} nodes")
        numbers += [f"{n:0{len(first)}d}" for n in range(int(first), int(last) + 1)]
    return numbers


def expand_tasks_per_node(text: str) -> list[int]:
    """SLURM's "2(x3),1" -> 2, 2, 2, 1. Raises ValueError."""
    counts = []
    for part in text.split(","):
        count, _, times = part.rstrip(")").partition("(x")
        if int(times or 1) > MAX_WORKERS or int(count) > MAX_WORKERS:
            raise ValueError(f"more than {MAX_WORKERS} tasks")
        counts += [int(count)] * int(times or 1)
    return counts


def _read_indexed_job_variables(environment: Mapping[str, str]) -> Workers | None:
    index, text = (environment.get(name, "") for name in ("JOB_COMPLETION_INDEX", "WORKER_HOSTS"))
    hosts = [host.strip() for host in text.split(",") if host.strip()]
    if not index or not hosts:
        return None
    if not index.isdecimal():
        raise ValueError(
            f"JOB_COMPLETION_INDEX must be a number, as Kubernetes sets it. Received: {index!r}. "
            "Unset it, or add --distribute=off."
        )
    port = _read_first_port(environment)
    seen, addresses = {}, []
    for host in hosts:  # two processes on one host need two ports
        addresses.append(f"{host}:{port + seen.setdefault(host, 0)}")
        seen[host] += 1
    return Workers(int(index), tuple(addresses), "Kubernetes")


def _read_first_port(environment: Mapping[str, str]) -> int:
    text = environment.get("WORKER_PORT", "") or str(FIRST_PORT)
    if not text.isdecimal() or not 0 < int(text) <= MAX_PORT:
        raise ValueError(
            f"WORKER_PORT must be a port, 1 to {MAX_PORT}. Received: {text!r}. Unset it for "
            f"{FIRST_PORT}."
        )
    return int(text)


def _check_workers(workers: Workers) -> None:
    """Raises ValueError for addresses that are not host:port, or the same twice, and for an index
    beyond them.
    """
    wrong = [text for text in workers.addresses if not _is_address(text)]
    twice = [a for a, b in itertools.pairwise(sorted(workers.addresses)) if a == b]
    told = f"{workers.source} must give each worker its own host:port."
    if wrong or twice:
        raise ValueError(f"{told} Received: {(wrong or twice)[0][:100]!r}. Correct it.")
    if not workers.index < workers.count:
        raise ValueError(
            f"{workers.source} must name all workers. Received: index {workers.index}, counted "
            f"from 0, with {workers.count} addresses. Add the others, or --distribute=off."
        )


def _is_address(text: str) -> bool:
    match = ADDRESS.fullmatch(text)
    return match is not None and 0 < int(match["port"]) <= MAX_PORT


def meet_workers(workers: Workers, *, seconds: float = MEET_SECONDS) -> None:
    """Waits until every worker's port answers, as this one's does meanwhile.

    TensorFlow would wait for them too, but for an hour, without a word and deaf to Ctrl-C. Once the
    last has come, all must answer again: one that came early may have ended since. Raises
    ValueError when this worker's port is in use, and when one does not come within `seconds`.
    """
    with _listen_on_own_port(workers) as listener:
        missing = others = [k for k in range(workers.count) if k != workers.index]
        deadline, is_told = time.monotonic() + seconds, False
        while missing := _find_silent(workers, missing) or _find_silent(workers, others):
            _hang_up_on_callers(listener)
            if time.monotonic() > deadline:
                raise ValueError(
                    f"All workers must start within {seconds:g} seconds. Received: no answer from "
                    f"{workers.name_worker(missing[0])}. Start it, or correct {workers.source}."
                )
            if not is_told:
                logging.info("waiting for %s.", ", ".join(map(workers.name_worker, missing)))
                is_told = True
            time.sleep(POLL_SECONDS)


def _listen_on_own_port(workers: Workers) -> socket.socket:
    port = int(workers.addresses[workers.index].rpartition(":")[2])
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # after a run that just ended
    try:
        listener.bind(("", port))
        listener.listen(workers.count)
    except OSError as error:
        listener.close()
        raise ValueError(explain_used_port(workers, error.strerror)) from error
    listener.setblocking(False)
    return listener


def explain_used_port(workers: Workers, reason: str) -> str:
    """What to tell the user when this worker cannot listen on its port."""
    port = workers.addresses[workers.index].rpartition(":")[2]
    return (
        f"{workers.source} must give each worker a free port. Received: {port}, which cannot be "
        f"used here ({reason}). End the other program, or give another port."
    )


def _find_silent(workers: Workers, indices: list[int]) -> list[int]:
    """Those of the workers whose port does not answer."""
    return [k for k in indices if not _does_port_answer(workers.addresses[k])]


def _hang_up_on_callers(listener: socket.socket) -> None:
    """Makes room for others: the system lets only so many wait, and then the port looks dead."""
    with contextlib.suppress(OSError):  # BlockingIOError: there are no more
        while True:
            listener.accept()[0].close()


def _does_port_answer(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), ANSWER_SECONDS) as call:
            # Where nobody listens, the system may choose that same port to call from: an echo.
            return call.getsockname() != call.getpeername()
    except OSError:  # not started yet, or its name is not known yet
        return False
