"""Stages of ablations on Ray: workers keep libraries and priors loaded between stages.

Workers run on this machine, or on the cluster in ``RAY_ADDRESS``, which must see the folder of the runs under the same
path. If a worker dies, another one takes over its stage; fits resume from their last checkpoint.
"""

import os
import traceback
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from commands.scaling.cluster import CHECK, JOBS_OF_A_PROCESS, RETRIES, Share, available_cores, cluster
from commands.scaling.worker import enter_process, run_command
from experiments.running.execution import Execute
from viewdistill.errors import ViewDistillError


@contextmanager
def on_ray(workers: int | None) -> Generator[tuple[Execute, int]]:
    """Provide the executor of subcommands on Ray, and the number of parallel ones.

    Args:
        workers: Of this machine; by default one per GPU, or one per core. Must not be given for a cluster.

    Raises:
        ViewDistillError: Ray is not installed, or the cluster does not answer.
    """
    if workers is None and not os.environ.get("RAY_ADDRESS"):
        workers = torch.cuda.device_count() or available_cores()
    with cluster(workers) as found:
        share = found.share
        # Imported here because it is an extra.
        import ray.exceptions

        task: Any = ray.remote(
            num_cpus=share.cores, num_gpus=share.gpus, max_retries=RETRIES, max_calls=JOBS_OF_A_PROCESS
        )(run_stage)
        folder = str(Path.cwd())

        def execute(command: list[str], log: Path) -> int:
            try:
                result = task.remote(command, str(log.resolve()), folder, share.cores)
                while not ray.wait([result], timeout=CHECK)[0]:
                    found.head.check()
                return ray.get(result)
            except ray.exceptions.RayError as error:
                found.head.check()
                with log.open("a", encoding="utf-8") as file:
                    file.write(f"its worker died {RETRIES + 1} times ({str(error).strip().splitlines()[0]})\n")
                return 1

        machines = [machine["Resources"] for machine in ray.nodes() if machine["Alive"]]
        yield execute, sum(slots(machine, share) for machine in machines) or 1


def slots(machine: dict[str, float], share: Share) -> int:
    """Return the number of workers that fit on a machine.

    Args:
        machine: Its resources, by Ray's names.
        share: Of each worker.
    """
    of_cores = int(machine.get("CPU", 0) // share.cores)
    return min(of_cores, int(machine.get("GPU", 0) // share.gpus)) if share.gpus else of_cores


def run_stage(command: list[str], log: str, working_folder: str, threads: int) -> int:
    """Run a subcommand in this process.

    Args:
        command: Its arguments, after the program's name.
        log: File to append its output to.
        working_folder: Base of relative paths.
        threads: Of its computations.

    Returns:
        The exit status that `viewdistill` would have had.
    """
    os.environ.setdefault("WANDB_MODE", "disabled")
    enter_process(threads, working_folder)
    try:
        run_command(command, Path(log))
    except ViewDistillError as error:
        message, status = f"viewdistill {command[0]}: {error}\n", 2
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else 1
    except Exception:  # a defect in one stage must not stop the others
        message, status = traceback.format_exc(), 1
    else:
        return 0
    with Path(log).open("a", encoding="utf-8") as file:
        file.write(message)
    return status
