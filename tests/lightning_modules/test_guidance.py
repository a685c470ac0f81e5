"""Guidance in the field stage: what is loaded, asked for, logged, refused, and how a method of one's own is named."""

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
import yaml
from pytorch_lightning.loggers import CSVLogger
from torch import nn

from datamodules.cameras import CameraSampler
from datamodules.runs.run_folder import RunFolder
from lightning_modules.bound_guidance import BoundGuidance, bind
from lightning_modules.field_settings import LossWeights
from lightning_modules.guidance_settings import GuidanceSettings
from tests.tiny_field import EVERYTHING, fit, guidance, module
from viewdistill.errors import ViewDistillError
from viewdistill.guidance.family import METHODS
from viewdistill.guidance.predictions import Query
from viewdistill.guidance.reference import reference_gradient
from viewdistill.guidance.timesteps import Annealed, UniformTimesteps
from viewdistill.resources import REPOSITORY

CPU = torch.device("cpu")


def bound(settings: GuidanceSettings, folder: RunFolder, reference: bool = False) -> BoundGuidance:
    data = CameraSampler(str(folder.root))
    data.setup("fit")
    return bind(settings, data.input_views, "a red mug", reference, CPU)


def query(guidance: BoundGuidance) -> Query:
    assert guidance.method is not None
    latents, noise = torch.randn(2, 2, 4, 4, 4, generator=torch.Generator().manual_seed(0))
    t, pose = torch.tensor([100, 600]), torch.rand(2, 4, generator=torch.Generator().manual_seed(1))
    return Query(latents, t, noise, guidance.predictors.schedule, guidance.method.branches, pose)


@pytest.mark.parametrize(
    ("method", "view", "text"),
    [
        ("usd", True, True),
        ("sds", True, False),
        ("csd", True, False),
        ("text-csd", False, True),
        ("nfsd", False, True),
        ("hifa", False, True),
        ("none", False, False),
    ],
)
def test_only_the_priors_a_method_needs_are_loaded(
    run_folder: RunFolder, tiny_prior_folder: Path, method: str, view: bool, text: bool
) -> None:
    model = module(guidance(tiny_prior_folder, method), LossWeights(color=0.0, mask=0.0, sparsity=0.0, opaque=0.0))
    trainer = fit(model, run_folder, 1)
    assert model.bound is not None
    predictors = model.bound.predictors
    assert (predictors.view_prior is not None, predictors.text_prior is not None) == (view, text)
    assert (float(trainer.callback_metrics["loss/score"]) > 0) == (method != "none")


def test_offloaded_and_compiled_priors_score_alike_and_are_not_shared(
    run_folder: RunFolder, tiny_prior_folder: Path
) -> None:
    plain = guidance(tiny_prior_folder, "usd")
    settings = (plain, replace(plain, offload=True), replace(plain, compile="eager"))
    found = [bound(each, run_folder) for each in settings]
    gradients = [g.method.combine(g.predictors.predict({"": query(g)})[""]) for g in found if g.method is not None]
    torch._dynamo.reset()
    for other in gradients[1:]:
        torch.testing.assert_close(other, gradients[0], rtol=1e-4, atol=1e-5)
    assert len({id(g.predictors.view_prior) for g in found}) == 3
    assert bound(plain, run_folder).predictors.view_prior is found[0].predictors.view_prior


def test_reference_score_is_zero_at_the_input_and_not_elsewhere(run_folder: RunFolder, tiny_prior_folder: Path) -> None:
    data = CameraSampler(str(run_folder.root))
    data.setup("fit")
    image, _ = data.input_view.resized(16)
    for method in ("none", "usd", "sds"):
        guided = bound(guidance(tiny_prior_folder, method), run_folder, reference=True)
        norms: list[float] = []
        for known in (image, 1 - image):
            (reference,) = guided.references
            _, asked = reference.query(known, 0.0, torch.Generator().manual_seed(0))
            norms.append(float(reference_gradient(guided.predictors.predict({"r": asked})["r"]).norm()))
        assert norms[0] == pytest.approx(0, abs=1e-5)
        assert norms[1] > 1e-2


class Rows(pl.Callback):
    """Counts the samples of each evaluation of the text-conditioned UNet."""

    def __init__(self) -> None:
        self.rows: list[int] = []

    def on_train_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        unet: nn.Module = pl_module.bound.predictors.text_prior.unet
        unet.register_forward_hook(lambda _module, inputs, _output: self.rows.append(len(inputs[0])))


def test_a_step_asks_the_text_prior_once_for_novel_and_input_view(
    run_folder: RunFolder, tiny_prior_folder: Path
) -> None:
    settings = replace(guidance(tiny_prior_folder, "usd"), offload=True)  # not shared: a hook is put into it
    rows = Rows()
    fit(module(settings, EVERYTHING), run_folder, 2, watchers=[rows])
    assert rows.rows == [4, 4]


class Logged(pl.Callback):
    """Keeps one figure of every step."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.values: list[float] = []

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        self.values.append(float(trainer.callback_metrics[self.name]))


@pytest.mark.parametrize(
    ("method", "timesteps", "expected"),
    [
        ("csd", UniformTimesteps(Annealed(0.5, 0.1), Annealed(0.5, 0.1)), [500, 400, 300, 200]),
        ("hifa", None, [980, 640, 499, 391]),  # its own: 0.98 - 0.68 sqrt(progress)
    ],
)
def test_timesteps_follow_the_progress_of_the_fit(
    run_folder: RunFolder, tiny_prior_folder: Path, method: str, timesteps: Any, expected: list[float]
) -> None:
    settings = replace(guidance(tiny_prior_folder, method), timesteps=timesteps)
    logged = Logged("score/novel_timestep")
    fit(module(settings, LossWeights()), run_folder, 4, watchers=[logged])
    assert logged.values == expected


@pytest.mark.parametrize("method", METHODS)
def test_a_method_has_its_own_scale_unless_one_is_given(method: Any) -> None:
    own = yaml.safe_load((REPOSITORY / "configs" / "field.yaml").read_text(encoding="utf-8"))
    shipped = own["model"]["init_args"]["guidance"]
    settings = GuidanceSettings(method=method, scale=shipped["scale"])
    assert settings.build_method() == METHODS[method]
    changed: Any = GuidanceSettings(method=method, scale=2.0, weighting="uniform").build_method()
    assert (changed.guidance_scale, changed.weighting) == (2.0, "uniform")


def test_the_default_is_sds_at_scale_three() -> None:
    method: Any = GuidanceSettings().build_method()
    assert method == METHODS["sds"]
    assert method.guidance_scale == 3.0


@pytest.mark.parametrize(("network", "named"), [("view", "view-conditioned prior"), ("text", "text-conditioned prior")])
def test_scores_that_are_not_finite_stop_the_fit(
    run_folder: RunFolder, tiny_prior_folder: Path, network: str, named: str
) -> None:
    class Spoil(pl.Callback):
        def on_train_batch_start(self, trainer: pl.Trainer, pl_module: Any, *_: Any) -> None:
            if trainer.global_step == 2:
                prior = getattr(pl_module.bound.predictors, f"{network}_prior")
                with torch.no_grad():
                    prior.unet.conv_out.bias.fill_(torch.nan)

    settings = replace(guidance(tiny_prior_folder, "usd"), offload=True)  # not shared: it is spoilt
    model = module(settings, LossWeights())
    with pytest.raises(ViewDistillError, match=rf"step 2: 100% of the score is not finite.*{named} \(/.*precision"):
        fit(model, run_folder, 4, watchers=[Spoil()])
    assert all(torch.isfinite(p).all() for p in model.parameters())


def test_figures_of_a_score_are_logged_only_while_it_is_taken(run_folder: RunFolder, tiny_prior_folder: Path) -> None:
    weights = LossWeights(reference_score=Annealed(1.0, 0.0, begin=0.5, end=0.5))
    model = module(guidance(tiny_prior_folder, "usd"), weights)
    logger = CSVLogger(str(run_folder.root), "log", "")
    fit(model, run_folder, 4, logger=logger, log_every_n_steps=1)
    with (run_folder.root / "log" / "metrics.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["score/reference_norm"] != "" for row in rows] == [True, True, False, False]
    assert [row["loss/reference_score"] != "" for row in rows] == [True, True, False, False]
    assert all(row["score/novel_norm"] for row in rows)
