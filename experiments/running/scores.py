"""Figures of one finished run of an arm, from `viewdistill evaluate` and `viewdistill bias`, by flat names."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from datamodules.posed_views import ViewCamera, clear_views, read_rgba, save_cameras, save_view
from datamodules.runs.locks import held
from datamodules.runs.run_folder import InputMeta, RunFolder, read_json, write_json
from experiments.running.comparison import FORMAT
from experiments.running.execution import Execute, attempt, cost_of, link
from experiments.running.plan import PlannedRun
from viewdistill.pictures import over_white, resize, to_bytes
from viewdistill.version import __version__

VIEW_SIZE = 64
"""Side of the compared pictures, pixels: the nano prior's."""


def score(run: PlannedRun, prior: str, execute: Execute) -> None:
    """Link the stages of a run and write its scores, unless scores of these stages exist.

    Args:
        run: Its stages are complete.
        prior: Fingerprint of the priors.
        execute: Runs subcommands.

    Raises:
        StageFailedError: A subcommand ended with an error.
    """
    stages = {node.stage: node.folder.root.name for node in run.nodes}
    if run.scores.is_file() and read_json(run.scores)["stages"] == stages:
        return
    with held(run.folder.root):
        for node in run.nodes:
            link(node, run.folder.root)
        figures: dict[str, float | None] = {}
        reasons: dict[str, str] = {}
        if "bias" in stages:
            figures |= bias_figures(read_json(run.folder.stage("bias") / "bias.json"))
        for prefix, options in evaluations(run):
            out = run.folder.root / f"evaluation{'_' + prefix if prefix else ''}.json"
            command = ["evaluate", str(run.folder.root), f"--size={VIEW_SIZE}"]
            log = run.folder.root / "log.txt"
            attempt("evaluate", [*command, *options, f"--out={out}"], log, execute)
            own, why = evaluation_figures(read_json(out), prefix)
            figures |= own
            reasons |= why
        content: dict[str, Any] = {
            "format": FORMAT,
            "viewdistill": __version__,
            "study": run.study.id,
            "arm": run.arm.name,
            "object": run.case.object,
            "seed": run.seed,
            "prior": prior,
            "settings": run.settings,
            "figures": figures,
            "reasons": reasons,
            "stages": stages,
            "costs": {node.stage: cost_of(node) for node in run.nodes},
        }
        write_json(run.scores, content)
        run.failure.unlink(missing_ok=True)


def evaluations(run: PlannedRun) -> list[tuple[str, list[str]]]:
    """Options of `viewdistill evaluate` for a run, each with what its figures' names begin with."""
    scored = {"field", "novel_views", "views", "mesh"} & set(run.arm.stages)
    if not scored:
        return []
    protocols = ["--protocols", *run.study.protocols]
    found = [("", [*protocols, "--field"] if run.study.field_views else protocols)]
    if run.study.input_view:
        found.append(("input", [*protocols, f"--gt={write_input_view(run.folder)}"]))
    return found


def write_input_view(folder: RunFolder) -> Path:
    """The input view as a folder of one posed view, which renders from the input camera are scored against."""
    # Here and not above: it brings Lightning, which the other scores do not need.
    views, meta = folder.root / "input_view", InputMeta.load(folder.input_meta)
    picture = over_white(read_rgba(folder.rgba)[None])
    rgb = to_bytes(resize(picture, VIEW_SIZE)[0].movedim(0, -1))
    clear_views(views)
    save_view(views, 0, np.concatenate([rgb, np.full_like(rgb[..., :1], 255)], -1))
    save_cameras(views, [ViewCamera.of_input(meta)])
    return views


def evaluation_figures(content: dict[str, Any], prefix: str = "") -> tuple[dict[str, float | None], dict[str, str]]:
    """Means of ``evaluation.json`` by names like ``geometry/surface/chamfer``, and why some are missing.

    Args:
        content: Of the file.
        prefix: In place of ``views`` and the like; only figures of views are kept then.
    """
    figures: dict[str, float | None] = {}
    reasons: dict[str, str] = {}
    sections = (("views", "of"),) if prefix else (("views", "of"), ("geometry", "protocol"), ("consistency", "of"))
    for section, key in sections:
        for row in content[section]:
            for name, figure in row.items():
                if isinstance(figure, dict) and "mean" in figure:
                    flat = f"{prefix or section}/{row[key]}/{name}"
                    figures[flat] = figure["mean"]
                    if figure["mean"] is None:
                        reasons[flat] = figure["reason"]
    return figures, reasons


def bias_figures(content: dict[str, Any]) -> dict[str, float | None]:
    """Figures of ``bias.json`` of one prior by names like ``bias/norm/200``."""
    (prior,) = content["priors"]
    return {
        f"bias/{name}/{row['timestep']}": float(row[name])
        for row in prior["timesteps"]
        for name in ("norm", "noise_floor", "one_step_psnr", "ddim_psnr")
    }


def default_threads() -> None:
    """One thread for what the runner itself computes: the stages have the others."""
    torch.set_num_threads(1)
