"""Checks that need a GPU, in one command of eight minutes: `make gpu-check` (docs/gpu-checklist.md).

Each part runs in a process of its own, within its own time limit. A part that fails, is too slow or lacks a package is
noted and passed over; what it had measured until then is kept. The folder then holds ``gpu_check.json``,
``gpu_check.md`` and, of each part that failed, what it wrote.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from datamodules.runs.run_folder import make_folder, read_json, write_json
from experiments.gpu.part_figures import PartFigures
from viewdistill.errors import ViewDistillError
from viewdistill.resources import REPOSITORY


@dataclass(frozen=True)
class CheckPart:
    """One part of the check."""

    name: str
    """As ``--parts`` takes it."""
    shows: str
    """In the table."""
    limit: float
    """Seconds that it may take."""
    background: bool = False
    """Whether it runs beside the others: a compiler, which leaves the GPU alone until it is done."""


PARTS = (
    CheckPart("nerfacc", "nerfacc's CUDA code compiles, and marches as ours", 420, background=True),
    CheckPart("kernels", "hash grid, marching, compositing and placement agree with the CPU", 90),
    CheckPart("steps", "the field's step: time by phase, precision, memory, compile, offload", 180),
    CheckPart("grid", "hash grid: Triton against plain torch and tiny-cuda-nn", 45),
    CheckPart("fits", "field and surface of the embedded priors, to the end", 150),
    CheckPart("training", "a minute of the priors' training", 100),
)
"""In order of importance, except background parts, which start first."""


@dataclass
class CheckOutcome:
    """Outcome of a part."""

    part: str
    """Its name."""
    status: str = "passed"
    """passed, failed, too slow, or lacks what it needs."""
    seconds: float = 0.0
    """Wall-clock time, seconds."""
    figures: dict[str, Any] = field(default_factory=dict[str, Any])
    """Its figures by name; for a failed part, those measured until then."""
    output: str = ""
    """End of its output, if it did not pass."""


WHOLE = 480.0
"""Seconds that all parts together may take; the last of them are cut short."""

PATIENCE = 10.0
"""Factor on the time limits in a dry run, which only shows that the code runs, on any machine."""

LACKS = 3
"""Exit status of a part that lacks a package or a command."""

TAIL = 6000
"""Characters of a failed part's output that are kept."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the chosen parts; the status is 0 where none failed."""
    parser = argparse.ArgumentParser(prog="python -m experiments.gpu.check", description=__doc__)
    names = [part.name for part in PARTS]
    parser.add_argument("--parts", nargs="*", choices=names, default=names, help="which parts (default: all)")
    parser.add_argument("--out", type=Path, default=Path("runs/gpu-check"), metavar="FOLDER", help="for all files")
    parser.add_argument("--dry-run", action="store_true", help="every part's code at tiny sizes, on a CPU")
    parser.add_argument("--only", choices=names, help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.only:
        return run_here(chosen.only, chosen.out, chosen.dry_run)
    make_folder(chosen.out)
    outcomes = run_parts([part for part in PARTS if part.name in chosen.parts], chosen.out, chosen.dry_run)
    write_report(outcomes, machine(), chosen.out)
    return 0 if all(outcome.status in ("passed", "lacks what it needs") for outcome in outcomes) else 1


def run_here(name: str, out: Path, dry_run: bool) -> int:
    """One part, in this process; its figures are written whenever there are more."""
    # Here and not above: the process that waits for the parts needs neither torch nor Lightning.
    from experiments.gpu.check_parts import RUN

    try:
        RUN[name](PartFigures(out / f"{name}.json"), out, dry_run)
    except (ModuleNotFoundError, ViewDistillError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return LACKS if isinstance(error, ModuleNotFoundError) else 1
    return 0


def run_parts(parts: Sequence[CheckPart], out: Path, dry_run: bool) -> list[CheckOutcome]:
    """All parts: those of the background begin first and are waited for last."""
    patience, first = PATIENCE if dry_run else 1.0, time.monotonic()
    beside = [(part, start(part, out, dry_run)) for part in parts if part.background]
    outcomes: list[CheckOutcome] = []
    for part in parts:
        if not part.background:
            until = min(time.monotonic() + patience * part.limit, first + patience * WHOLE)
            outcomes.append(finish(part, start(part, out, dry_run), until, out))
    return outcomes + [finish(part, process, first + patience * part.limit, out) for part, process in beside]


def start(part: CheckPart, out: Path, dry_run: bool) -> subprocess.Popen[bytes]:
    """Begin a part in a process group of its own."""
    (out / f"{part.name}.json").unlink(missing_ok=True)
    command = [sys.executable, "-m", "experiments.gpu.check", f"--only={part.name}", f"--out={out.resolve()}"]
    paths = os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")])
    with (out / f"{part.name}.txt").open("wb") as log:
        return subprocess.Popen(
            [*command, *(["--dry-run"] if dry_run else [])],
            cwd=REPOSITORY,
            env=os.environ | {"PYTHONPATH": paths, "WANDB_MODE": "disabled"},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def finish(part: CheckPart, process: subprocess.Popen[bytes], until: float, out: Path) -> CheckOutcome:
    """Wait for a part until some time of the monotonic clock; what it started ends with it."""
    outcome, begun = CheckOutcome(part.name), time.monotonic()
    try:
        code = process.wait(max(0.1, until - begun))
        outcome.status = {0: "passed", LACKS: "lacks what it needs"}.get(code, "failed")
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        process.wait()
        outcome.status = "too slow"
    outcome.seconds = round(time.monotonic() - begun, 1)
    record, log = out / f"{part.name}.json", out / f"{part.name}.txt"
    outcome.figures = read_json(record) if record.is_file() else {}
    if outcome.status != "passed":
        outcome.output = log.read_text(encoding="utf-8", errors="replace")[-TAIL:]
    print(f"{part.name}: {outcome.status} after {outcome.seconds} s", flush=True)
    return outcome


def machine() -> dict[str, str]:
    """Return the machine's description."""
    # Here and not above: the parts come first, each in a process of its own.
    import torch

    name = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    return {
        "device": name,
        "torch": torch.__version__,
        "CUDA": str(torch.version.cuda),
        "python": sys.version.split()[0],
    }


def write_report(outcomes: Sequence[CheckOutcome], where: dict[str, str], out: Path) -> None:
    """The outcomes as JSON and as a Markdown table, with the text of what did not pass."""
    write_json(out / "gpu_check.json", {"machine": where, "parts": [asdict(outcome) for outcome in outcomes]})
    shows = {part.name: part.shows for part in PARTS}
    lines = [", ".join(f"{name} {value}" for name, value in where.items()), ""]
    lines += ["| part | shows | status | s |", "|---|---|---|---|"]
    lines += [f"| {o.part} | {shows[o.part]} | {o.status} | {o.seconds} |" for o in outcomes]
    lines += ["", "| part | figure | value |", "|---|---|---|"]
    lines += [f"| {o.part} | {name} | {shown(value)} |" for o in outcomes for name, value in o.figures.items()]
    for outcome in outcomes:
        if outcome.output:
            lines += ["", f"## {outcome.part}: {outcome.status}", "", "```", outcome.output.strip(), "```"]
    (out / "gpu_check.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{out / 'gpu_check.md'}")


def shown(value: Any) -> str:
    """A figure, or several by name, in a cell."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {shown(part)}" for name, part in value.items())
    return f"{value:.4g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    sys.exit(main())
