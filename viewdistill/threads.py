"""Threads for numba kernels.

numba's own threading layers either abort the process when two Python threads launch kernels at once (workqueue), or
fail after a fork and keep a second OpenMP pool beside torch's (omp). Kernels therefore release the interpreter's lock
and run in a plain thread pool of `torch.get_num_threads()` threads.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

import torch

T = TypeVar("T")


def parallel_for(task: Callable[[T], None], items: Sequence[T]) -> None:
    """Run ``task`` on every item, on `torch.get_num_threads()` threads; the first exception is raised."""
    n_threads = min(torch.get_num_threads(), len(items))
    if n_threads <= 1:
        for item in items:
            task(item)
        return
    for _ in _pool(os.getpid(), n_threads).map(task, items):
        continue


@cache
def _pool(process: int, n_threads: int) -> ThreadPoolExecutor:
    # threads do not survive a fork: keyed by the process id, a forked child starts its own pool
    return ThreadPoolExecutor(n_threads, thread_name_prefix=f"kernels-{process}")
