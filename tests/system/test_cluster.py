"""Who trains together, as TF_CONFIG, SLURM and Kubernetes say it, and how they meet."""

import json
import socket
import threading

import pytest

from system import cluster
from system.cluster import (
    Workers,
    _does_port_answer,
    expand_node_list,
    expand_tasks_per_node,
    find_workers,
    is_chief,
    meet_workers,
)

TWO = {"worker": ["a:1", "b:2"]}


def tf_config(cluster, kind="worker", index=0) -> dict[str, str]:
    content = {"cluster": cluster, "task": {"type": kind, "index": index}}
    return {"TF_CONFIG": json.dumps(content)}


def slurm(nodes, counts, index=0) -> dict[str, str]:
    return {
        "SLURM_PROCID": str(index),
        "SLURM_STEP_NUM_TASKS": str(sum(expand_tasks_per_node(counts))),
        "SLURM_STEP_NODELIST": nodes,
        "SLURM_STEP_TASKS_PER_NODE": counts,
    }


@pytest.mark.parametrize(
    ("environment", "index", "addresses"),
    [
        (tf_config(TWO, index=1), 1, ("a:1", "b:2")),
        (tf_config({"chief": ["c:1"], "worker": ["a:1"]}), 1, ("c:1", "a:1")),
        (tf_config({"chief": ["c:1"], "worker": ["a:1"]}, "chief"), 0, ("c:1", "a:1")),
        (tf_config({"worker": ["[::1]:1", "b:2"]}), 0, ("[::1]:1", "b:2")),
        (slurm("n[2,10]", "2,1", 2), 2, ("n2:8888", "n2:8889", "n10:8888")),
        (slurm("n2,n1", "1(x2)") | {"WORKER_PORT": "5"}, 0, ("n2:5", "n1:5")),
        ({"JOB_COMPLETION_INDEX": "1", "WORKER_HOSTS": "j-0.j, j-1.j"}, 1, ("j-0.j", "j-1.j")),
        ({"JOB_COMPLETION_INDEX": "0", "WORKER_HOSTS": "j,j"}, 0, ("j:8888", "j:8889")),
    ],
)
def test_workers_are_found(environment, index, addresses):
    for distribute in ("auto", "multiworker"):
        workers = find_workers(distribute, environment)
        assert workers.index == index
        assert workers.addresses == tuple(a if ":" in a else f"{a}:8888" for a in addresses)
    assert find_workers("off", environment) is find_workers("mirrored", environment) is None


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"TF_CONFIG": " "},
        tf_config({"worker": ["a:1"]}),
        {"TF_CONFIG": "{}"},
        {"SLURM_NTASKS": "4", "SLURM_PROCID": "0"},  # in a batch script, outside srun
        slurm("n1", "1"),
        {"JOB_COMPLETION_INDEX": "3"},  # an indexed job whose pods train alone
    ],
)
def test_a_process_may_be_alone(environment):
    assert find_workers("auto", environment) is None
    if "TF_CONFIG" not in environment or "cluster" not in environment["TF_CONFIG"]:
        with pytest.raises(ValueError, match="--distribute=multiworker needs the addresses"):
            find_workers("multiworker", environment)


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({"TF_CONFIG": "a:1,b:2"}, r"must be JSON like .* Received: a:1,b:2"),
        ({"TF_CONFIG": "[" * 100_000}, "must be JSON"),
        ({"TF_CONFIG": "[1]"}, "must be JSON"),
        ({"TF_CONFIG": '{"cluster": 3}'}, "must be JSON"),
        ({"TF_CONFIG": '{"cluster": {"worker": 3}}'}, "must be JSON"),
        ({"TF_CONFIG": json.dumps({"cluster": TWO})}, "a task of type None with index None"),
        (tf_config(TWO, "chief"), "a task of type 'chief'"),
        (tf_config(TWO, index="1"), "index '1'"),
        (tf_config(TWO, index=2), "index 2, with 2 of type worker"),
        (tf_config(TWO, index=-1), "index -1"),
        (tf_config(TWO | {"ps": ["c:3"]}), "a cluster with ps, worker"),
        (tf_config({"worker": ["a:1", "b"]}), "own host:port. Received: 'b'"),
        (tf_config({"worker": ["a:1", "a:1"]}), "own host:port. Received: 'a:1'"),
        (tf_config({"worker": ["a:1", "b:70000"]}), "own host:port. Received: 'b:70000'"),
        (slurm("n1", "1,1"), "cannot be read"),
        (slurm("n[1-", "1(x2)"), "cannot be read"),
        (slurm("n[1-999999999]", "1(x2)"), "cannot be read"),
        (slurm("n[1-2]", "1(x2)", 2), "must name all workers. Received: index 2"),
        ({"JOB_COMPLETION_INDEX": "x", "WORKER_HOSTS": "a,b"}, "must be a number"),
        (
            {"JOB_COMPLETION_INDEX": "0", "WORKER_HOSTS": "a,b", "WORKER_PORT": "0"},
            "WORKER_PORT must be a port",
        ),
    ],
)
def test_a_wrong_environment_is_one_line(environment, told):
    with pytest.raises(ValueError, match=told) as raised:
        find_workers("auto", environment)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 400


def test_slurm_lists_keep_their_order_and_zeros():
    assert expand_node_list("n[1-3,05,10],gpu-b,gpu-a") == [
        *("n1", "n2", "n3", "n05", "n10", "gpu-b", "gpu-a")
    ]
    assert expand_node_list("r[08-10]x") == ["r08x", "r09x", "r10x"]
    assert expand_tasks_per_node("4(x2),1") == [4, 4, 1]


def test_the_first_worker_or_a_process_alone_is_chief(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    assert is_chief("auto")
    for index in (0, 1):
        monkeypatch.setenv("TF_CONFIG", tf_config(TWO, index=index)["TF_CONFIG"])
        assert is_chief("auto") is (index == 0)
        assert is_chief("off")


def make_two_addresses() -> tuple[str, ...]:
    """On ports of this machine that are free."""
    with socket.socket() as one, socket.socket() as two:
        for each in (one, two):
            each.bind(("127.0.0.1", 0))
        return tuple(f"127.0.0.1:{each.getsockname()[1]}" for each in (one, two))


def test_workers_meet_whichever_comes_first():
    """Each frees its port as soon as the other's answers; then TensorFlow listens there."""
    addresses, have_met = make_two_addresses(), threading.Barrier(3, timeout=30)

    def meet_and_listen(index: int):
        meet_workers(Workers(index, addresses, "TF_CONFIG"), seconds=30)
        with socket.create_server(("", int(addresses[index].rpartition(":")[2]))):
            have_met.wait()

    first, second = (threading.Thread(target=meet_and_listen, args=(k,)) for k in (0, 1))
    first.start()
    while not _does_port_answer(addresses[0]):
        assert first.is_alive()
    with pytest.raises(ValueError, match=r"a free port\. Received: .* which cannot be used"):
        meet_workers(Workers(0, addresses, "TF_CONFIG"))
    second.start()
    have_met.wait()


def test_a_worker_that_never_comes_is_one_line():
    addresses = make_two_addresses()
    with pytest.raises(ValueError, match=f"no answer from worker 1 of 2 at {addresses[0]}"):
        meet_workers(Workers(1, addresses, "TF_CONFIG"), seconds=0)


def test_a_port_answers_however_often_it_is_called():
    """A worker that is started again calls again; the system keeps only a few calls waiting."""
    addresses = make_two_addresses()
    first = Workers(0, addresses, "TF_CONFIG")
    waiting = threading.Thread(target=meet_workers, args=(first,), daemon=True)
    waiting.start()
    while not _does_port_answer(addresses[0]):
        assert waiting.is_alive()
    assert all(_does_port_answer(addresses[0]) for _ in range(4))
    with socket.create_server(("", int(addresses[1].rpartition(":")[2]))):
        waiting.join(timeout=30)
    assert not waiting.is_alive()


def test_a_worker_that_came_and_ended_is_missed(monkeypatch):
    """The first answers, ends while the second is awaited, and comes again."""
    one, two = addresses = make_two_addresses()
    answers = [(one, True), (two, False), (two, True), (one, False), (two, True)]
    answers += [(one, True), (one, True), (two, True)]
    asked = []

    def answer(address: str) -> bool:
        asked.append((address, answers[len(asked)][1]))
        return asked[-1][1]

    monkeypatch.setattr(cluster, "POLL_SECONDS", 0)
    monkeypatch.setattr(cluster, "_does_port_answer", answer)
    meet_workers(Workers(2, (*addresses, *make_two_addresses()[:1]), "TF_CONFIG"))
    assert asked == answers
