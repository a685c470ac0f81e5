"""Ray: workers on this machine, or on the cluster that ``RAY_ADDRESS`` names."""

import importlib.util
import math
import os
import signal
import socket
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

from commands.scaling.head import Head
from commands.scaling.worker import Job, JobOutcome, make_object
from viewdistill.errors import ViewDistillError

CORES = 2
"""Cores of a worker without a GPU."""

RETRIES = 3
"""Number of times that a job is given to another worker after its worker died."""

JOBS_OF_A_PROCESS = 100
"""Jobs after which a worker's process is replaced, to bound leaked memory."""

PENDING = 64
"""Jobs, with their images, in Ray's queue at a time."""

ANSWER = 5.0
"""Longest wait for the head of a cluster, seconds."""

CHECK = 1.0
"""Seconds between looks at whether an interrupt was lost, or the cluster."""

OBJECT_STORE = 100_000_000
"""Size of Ray's object store on this machine, bytes: jobs and outcomes are small."""


@dataclass(frozen=True)
class Share:
    """Resources of one worker."""

    cores: int
    """Processor cores."""
    gpus: float
    """GPUs: a whole number, or a fraction of one."""


@dataclass(frozen=True)
class Cluster:
    """Machines to work on."""

    share: Share
    """Of each worker."""
    head: Head
    """What all jobs depend on."""


@contextmanager
def cluster(workers: int | None) -> Generator[Cluster]:
    """Workers of the Ray cluster that ``RAY_ADDRESS`` names, or else of one that lives as long as the block, here.

    Args:
        workers: Number on this machine; by default one per GPU, or one per pair of cores.

    Raises:
        ViewDistillError: Ray is not installed, the cluster does not answer, or ``workers`` is given for one.
    """
    if importlib.util.find_spec("ray") is None:
        raise ViewDistillError("many objects at once need Ray; run `pip install -c constraints.txt -e '.[scale]'`")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # Ray's telemetry
    # Without it, Ray would retry a job that exceeds the memory forever.
    os.environ.setdefault("RAY_task_oom_retries", str(RETRIES))
    import ray  # an extra, which reads these when it is imported

    address, cores = os.environ.get("RAY_ADDRESS"), available_cores()
    share = min(CORES, cores) if workers is None else max(1, cores // workers)
    start: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if address:
        if workers is not None:
            raise ViewDistillError(f"--workers is for this machine; the cluster {address} (RAY_ADDRESS) has its own")
        check_address(address)
    else:
        total = share * (workers or max(1, cores // CORES))
        start |= {"address": "local", "include_dashboard": False}
        start |= {"num_cpus": total, "object_store_memory": OBJECT_STORE}
    try:
        ray.init(**start)
    except (ConnectionError, RuntimeError, ValueError) as error:
        place = f"RAY_ADDRESS {address}" if address else "this machine"
        raise ViewDistillError(f"{place}: no Ray cluster to work on ({error})") from error
    head = Head(ray.get_runtime_context().gcs_address, ours=not address)
    try:
        machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        here = sum(machine.get("GPU", 0) for machine in machines)
        given = share_of(machines) if address else Share(share, gpus_of_worker(int(here), workers))
        yield Cluster(given, head)
    finally:
        with head.ending():
            ray.shutdown()


def check_address(address: str) -> None:
    """Reject an unreachable machine at once: Ray would retry for minutes.

    Raises:
        ViewDistillError: Nothing listens at a ``host:port``.
    """
    host, _, port = address.rpartition(":")
    if not host or "/" in address or not port.isdecimal():
        return  # `auto`, or a client's `ray://`
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWER).close()
    except (OSError, OverflowError) as error:
        raise ViewDistillError(f"RAY_ADDRESS {address}: nothing answers there ({error})") from error


def share_of(machines: Iterable[Mapping[str, float]]) -> Share:
    """Return a GPU, if any, and a pair of cores, or as many as the largest machine has.

    Args:
        machines: Resources of each, by Ray's names.
    """
    machines = list(machines)
    fit = [machine for machine in machines if machine.get("GPU", 0) >= 1]
    cores = int(max((machine.get("CPU", 0) for machine in fit or machines), default=0))
    # No machine yet: the cluster will grow.
    return Share(min(CORES, cores or CORES), 1.0 if fit else 0.0)


def gpus_of_worker(gpus: int, workers: int | None) -> float:
    """Return one GPU, or a fraction of one for more workers than GPUs.

    Args:
        gpus: Of this machine.
        workers: Of this machine, if the user gives a number.
    """
    return min(gpus, 1) / max(1, math.ceil((workers or 1) / max(gpus, 1)))


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def outcomes(jobs: Iterable[Job], cluster: Cluster) -> Iterator[JobOutcome]:
    """Do all jobs and tell each outcome as it comes, once.

    Args:
        jobs: Drawn as there is room for them.
        cluster: Machines to work on.

    Raises:
        ViewDistillError: The cluster has died.
    """
    # Imported here because it is an extra.
    import ray.exceptions

    # Without `max_calls` Ray would end a worker with a GPU after every job, and its priors with it.
    share = cluster.share
    task: Any = ray.remote(num_cpus=share.cores, num_gpus=share.gpus, max_retries=RETRIES, max_calls=JOBS_OF_A_PROCESS)(
        make_object
    )
    jobs, names = iter(jobs), dict[Any, str]()
    with remembered_interrupt() as check:
        while True:
            while len(names) < PENDING and (job := next(jobs, None)) is not None:
                names[task.remote(job)] = job.image.name
            if not names:
                return
            finished, _ = ray.wait(list(names), num_returns=1, timeout=CHECK)
            check()
            cluster.head.check()
            for done in finished:
                name = names.pop(done)
                try:
                    yield ray.get(done)
                except ray.exceptions.RayError as error:
                    reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
                    yield JobOutcome(
                        name, f"its worker died {RETRIES + 1} times, perhaps for lack of memory ({reason})"
                    )


@contextmanager
def remembered_interrupt() -> Generator[Callable[[], None]]:
    """Let Ctrl-C raise `KeyboardInterrupt` as always, and yield a check that raises it again if it was lost.

    Python drops an exception that reaches a destructor or a callback, and Ray has many of both.
    """
    came = False

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal came
        came = True
        signal.default_int_handler(number, frame)

    def check() -> None:
        if came:
            raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():  # only there can signals be caught
        yield check
        return
    before = signal.signal(signal.SIGINT, note)
    try:
        yield check
    finally:
        signal.signal(signal.SIGINT, before)
