"""Guidance methods and priors of one's own, named in the YAML: no change in this repository."""

import sys
from dataclasses import replace
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import torch
import yaml

from commands.stages.fitting import StageCLI, StageRun
from datamodules.runs.run_folder import RunFolder
from lightning_modules.radiance_field import load_field
from tests.tiny_field import StopAt
from viewdistill.errors import ViewDistillError
from viewdistill.resources import REPOSITORY

OWN_METHOD = '''
    from viewdistill.guidance import TEXT_EMPTY, VIEW, GuidanceMethod, weight


    class Difference(GuidanceMethod):
        """g = s (ε_Z(y, T) − ε_S(∅)), without w(t)."""

        branches = (VIEW, TEXT_EMPTY)

        def __init__(self, scale: float = 5.0) -> None:
            self.scale = scale
            self.steps = 0

        def combine(self, predictions):
            self.steps += 1
            query = predictions.query
            w = weight(query.schedule, query.timesteps, "uniform")
            return w * self.scale * (predictions[VIEW] - predictions[TEXT_EMPTY])
'''
VSD = '''
    import torch
    from torch import nn
    from viewdistill.guidance import VIEW, GuidanceMethod, weight


    class Vsd(nn.Module, GuidanceMethod):
        """Variational score distillation (Wang et al. 2023), with one convolution for the network of the renders."""

        branches = (VIEW,)

        def bind(self, predictors):
            torch.manual_seed(0)
            self.renders = nn.Conv2d(4, 4, 3, padding=1).to(predictors.schedule.alphas_cumprod.device)
            self.optimizer = torch.optim.SGD(self.renders.parameters(), lr=0.01)

        def combine(self, predictions):
            query = predictions.query
            predicted = self.renders(query.noisy)
            (predicted - query.noise).square().mean().backward()
            self.optimizer.step()
            self.optimizer.zero_grad()
            return weight(query.schedule, query.timesteps, "sds") * (predictions[VIEW] - predicted.detach())
'''
SEVERAL_VIEWS = '''
    from pathlib import Path

    from viewdistill.diffusion.latents import LatentDiffusionPrior
    from viewdistill.diffusion.priors import ViewConditionedPrior


    class SeveralViews(LatentDiffusionPrior):
        """Predicts all views of a step at once: here each with a part of the others' mean."""

        def __init__(self, folder: str) -> None:
            single = ViewConditionedPrior.from_folder(Path(folder))
            super().__init__(single.vae, single.unet, single.schedule)
            self.single = single

        def condition(self, images, elevation_deg=None):
            return self.single.condition(images, elevation_deg)

        def predict_noise(self, noisy, timesteps, condition, relative_pose):
            epsilon = self.single.predict_noise(noisy, timesteps, condition, relative_pose)
            return 0.9 * epsilon + 0.1 * epsilon.mean(0, keepdim=True)

        def predict_noise_unconditional(self, noisy, timesteps):
            return self.single.predict_noise_unconditional(noisy, timesteps)

        def predict_noise_pair(self, noisy, timesteps, condition, relative_pose):
            conditional = self.predict_noise(noisy, timesteps, condition, relative_pose)
            return conditional, self.predict_noise_unconditional(noisy, timesteps)
'''


@pytest.fixture
def own_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Writer of a module of the user's own, outside this repository."""

    def write(source: str) -> str:
        (tmp_path / "own_guidance.py").write_text(dedent(source), encoding="utf-8")
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "own_guidance", raising=False)
        return "own_guidance"

    return write


def build(folder: RunFolder, priors: Path, guidance_settings: dict[str, Any], tmp_path: Path) -> StageCLI:
    """The shipped field stage with a small overlay that names a class of the user's own."""
    settings = {"text_prior": str(priors / "stable-diffusion"), "view_prior": str(priors / "zero123")}
    settings |= {"precision": "fp32", **guidance_settings}
    field = {"n_samples_per_ray": 32, "grid": {"log2_hashmap_size": 10}}
    model = {"guidance": settings, "view_size": 16, "field": field, "input_rays": 64}
    trainer = {"accelerator": "cpu", "max_steps": 3, "logger": False, "enable_progress_bar": False, "callbacks": []}
    trainer |= {"limit_val_batches": 0}
    overlay = tmp_path / "own.yaml"
    overlay.write_text(yaml.safe_dump({"trainer": trainer, "model": {"init_args": model}}), encoding="utf-8")
    files = (REPOSITORY / "configs" / "field.yaml", overlay)
    stage = StageRun(folder.stage("field"), "disc-field")
    return StageCLI(stage, [*(f"--config={file}" for file in files), f"--data.run_folder={folder.root}"])


own_yaml = pytest.mark.filterwarnings("ignore::jsonargparse._deprecated.JsonargparseDeprecationWarning")


@own_yaml
def test_a_method_of_ones_own_is_named_in_the_yaml(
    run_folder: RunFolder, tiny_prior_folder: Path, tmp_path: Path, own_module: Any
) -> None:
    name = own_module(OWN_METHOD)
    method = {"class_path": f"{name}.Difference", "init_args": {"scale": 2.0}}
    cli = build(run_folder, tiny_prior_folder, {"method": method}, tmp_path)
    cli.trainer.fit(cli.model, datamodule=cli.datamodule)
    assert cli.model.bound.method.steps == 3
    assert cli.model.bound.method.scale == 2.0
    assert cli.trainer.callback_metrics["loss/score"] > 0
    assert f"class_path: {name}.Difference" in cli.dump()
    cli.trainer.save_checkpoint(run_folder.field_checkpoint)
    assert load_field(run_folder).radius == 0.65  # read without the method
    with pytest.raises(ViewDistillError, match=r"model\.guidance\.scale is for named methods"):
        replace(cli.model.guidance, scale=3.0).build_method()


@own_yaml
@pytest.mark.filterwarnings("ignore:Checkpoint directory")
def test_a_method_with_a_network_of_its_own_resumes(
    run_folder: RunFolder, tiny_prior_folder: Path, tmp_path: Path, own_module: Any
) -> None:
    vsd = {"method": {"class_path": f"{own_module(VSD)}.Vsd"}}
    undisturbed = build(run_folder, tiny_prior_folder, vsd, tmp_path)
    undisturbed.trainer.fit(undisturbed.model, datamodule=undisturbed.datamodule)
    first = build(run_folder, tiny_prior_folder, vsd, tmp_path)
    first.trainer.callbacks.append(StopAt(2))  # type: ignore[attr-defined]
    first.trainer.fit(first.model, datamodule=first.datamodule)
    first.trainer.save_checkpoint(run_folder.field_checkpoint)
    resumed = build(run_folder, tiny_prior_folder, vsd, tmp_path)
    resumed.trainer.fit(
        resumed.model, datamodule=resumed.datamodule, ckpt_path=run_folder.field_checkpoint, weights_only=True
    )
    assert resumed.trainer.global_step == 3
    own, again = undisturbed.model.bound.method.renders, resumed.model.bound.method.renders
    assert torch.equal(own.weight, again.weight)
    assert not any("renders" in name for name in resumed.model.state_dict())
    assert load_field(run_folder).radius == 0.65


@own_yaml
def test_a_prior_of_ones_own_sees_all_views_of_a_step(
    run_folder: RunFolder, tiny_prior_folder: Path, tmp_path: Path, own_module: Any
) -> None:
    init = {"folder": str(tiny_prior_folder / "zero123")}
    prior = {"class_path": f"{own_module(SEVERAL_VIEWS)}.SeveralViews", "init_args": init}
    cli = build(run_folder, tiny_prior_folder, {"method": "usd", "view_prior": prior}, tmp_path)
    cli.trainer.fit(cli.model, datamodule=cli.datamodule)
    assert type(cli.model.bound.predictors.view_prior).__name__ == "SeveralViews"
    assert cli.trainer.callback_metrics["loss/score"] > 0
