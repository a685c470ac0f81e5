"""`viewdistill doctor`: what this machine has, which back ends are in use, and how to get what is missing."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

    from commands.machine.diagnosis import Diagnosis
    from commands.machine.environment import Missing

EPILOG = """\
The status is 0 unless `make object` with the embedded priors lacks something here. Nothing is changed; the hub is asked
once whether it answers, and no longer than the timeout."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand."""
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    parser.add_argument(
        "--timeout", type=float, default=3.0, metavar="SECONDS", help="longest wait for the hub (default 3)"
    )


def run(arguments: argparse.Namespace) -> None:
    """Print the findings.

    Raises:
        ViewDistillError: Something is missing that the embedded priors' whole pipeline needs, or the timeout is not
            positive.
    """
    from viewdistill.errors import ViewDistillError

    if not 0 < arguments.timeout < float("inf"):
        raise ViewDistillError(f"--timeout is {arguments.timeout:g}; give a number of seconds above 0")
    from commands.machine.environment import missing_packages

    if absent := missing_packages():
        # the rest of the examination needs them itself
        raise ViewDistillError(f"{summary(absent)}; run `{absent[0].commands[0]}`")
    from commands.machine.diagnosis import diagnose

    found = diagnose(arguments.timeout)
    if arguments.json:
        print(json.dumps(asdict(found), indent=2))
    else:
        show(found)
    if found.required:
        raise ViewDistillError(summary(found.required))


def summary(missing: list[Missing]) -> str:
    """What is missing, in one line."""
    return "; ".join(f"{each.what}: {each.why}" for each in missing)


def show(found: Diagnosis) -> None:
    """Print the findings as tables, and the commands so that they can be copied."""
    from rich.console import Console

    console = Console()
    console.print(overview(found))
    for title, parts in (("Missing", found.required), ("Could be added", found.optional)):
        if parts:
            console.print(f"\n[bold]{title}[/bold]")
            for each in parts:
                show_missing(each)
    if not found.required:
        console.print("\nEverything that `make object` needs is here.", highlight=False)


def overview(found: Diagnosis) -> Table:
    """One row a finding."""
    from rich.table import Table
    from rich.text import Text

    table = Table(show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, text in rows(found):
        table.add_row(name, Text(text))
    return table


def rows(found: Diagnosis) -> list[tuple[str, str]]:
    """Name and text of every finding."""
    result = [(name, str(version or "none")) for name, version in found.versions.items()]
    cards = [f"{gpu['name']}, {gpu['memory_gb']} GB, capability {gpu['compute_capability']}" for gpu in found.gpus]
    result.append(("GPU", "\n".join(cards) or "none"))
    result.append(("memory", f"{found.memory_gb} GB"))
    result.extend((name, backend_text(backend)) for name, backend in found.backends.items())
    result.append(("preset", f"{found.preset['name']}: {found.preset['command']}\n{found.preset['why']}"))
    result.append(("Hugging Face hub", f"{found.hub['address']}: {found.hub['detail']}"))
    tracker = found.wandb
    result.append(("W&B", f"{tracker['version'] or 'none'}, {tracker['mode']}: {tracker['detail']}"))
    return result


def backend_text(backend: dict[str, Any]) -> str:
    """Which back end is in use, and why not the others."""
    others = [f"not {name}: {why}" for name, why in backend["obstacles"].items()]
    return "\n".join([f"{backend['in_use']} on {backend['device']}", *others])


def show_missing(missing: Missing) -> None:
    """Print what is missing and the commands, unwrapped and uncoloured."""
    print(summary([missing]))
    for command in missing.commands:
        print(f"    {command}")
