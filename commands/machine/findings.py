"""The findings of `viewdistill doctor` for people and for programs."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from commands.machine.diagnosis import Diagnosis, diagnose
from commands.machine.environment import Missing, summary
from commands.machine.presets import PresetState

__all__ = ["Diagnosis", "diagnose", "print_json", "show"]


def print_json(found: Diagnosis) -> None:
    """Print the findings as JSON."""
    print(json.dumps(asdict(found), indent=2))


def show(found: Diagnosis) -> None:
    """Print the findings as tables, and the commands so that they can be copied."""
    console = Console()
    console.print(overview(found))
    console.print(preset_table(found))
    show_priors(found.presets)
    for title, parts in (("Missing", found.required), ("Could be added", found.optional)):
        if parts:
            console.print(f"\n[bold]{title}[/bold]")
            for each in parts:
                show_missing(each)
    if not found.required:
        console.print("\nEverything that `make object` needs is here.", highlight=False)


def overview(found: Diagnosis) -> Table:
    """Print one row per finding."""
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
    result.append(("free disk", f"{found.free_disk_gb} GB"))
    result.extend((name, backend_text(backend)) for name, backend in found.backends.items())
    result.append(("preset", f"{found.preset['name']}: {found.preset['command']}\n{found.preset['why']}"))
    result.append(("Hugging Face hub", f"{found.hub['address']}: {found.hub['detail']}"))
    tracker = found.wandb
    result.append(("W&B", f"{tracker['version'] or 'none'}, {tracker['mode']}: {tracker['detail']}"))
    return result


def preset_table(found: Diagnosis) -> Table:
    """Tabulate each preset's requirements, one row per preset."""
    table = Table(title=Text("Presets: what one object takes"), title_justify="left")
    table.add_column("preset", style="bold")
    for name in ("download", "disk", "minutes"):
        table.add_column(name, justify="right")
    table.add_column("minutes from", overflow="fold")
    for preset in found.presets:
        enough = "" if preset.disk_gb <= found.free_disk_gb else ", more than is free"
        download = f"{preset.download_gb:.1f} GB" if preset.download_gb else "none"
        cells = (preset.name, download, f"{preset.disk_gb:.1f} GB{enough}", f"{preset.minutes:g}", preset.basis)
        table.add_row(*map(Text, cells))
    return table


def show_priors(presets: Sequence[PresetState]) -> None:
    """Print the commands that fetch missing published weights to the configured places, with their licences."""
    absent = {prior.name: prior for preset in presets for prior in preset.priors if not prior.there}
    if absent:
        print("\nPublished weights that the presets above need; read and accept each licence on its page first,")
        print("and log in with `hf auth login` where a page asks for it:")
    for prior in absent.values():
        print(f"{prior.name}: {prior.license} ({prior.page})")
        print(f"    {prior.command}")


def backend_text(backend: dict[str, Any]) -> str:
    """Return the back end in use, and the obstacles to the others."""
    others = [f"not {name}: {why}" for name, why in backend["obstacles"].items()]
    return "\n".join([f"{backend['in_use']} on {backend['device']}", *others])


def show_missing(missing: Missing) -> None:
    """Print missing parts and their commands, unwrapped and uncoloured."""
    print(summary([missing]))
    for command in missing.commands:
        print(f"    {command}")
