"""The noise schedule of a latent diffusion model, and conversions between what such models predict.

Notation, used everywhere below: z clean latents, ε standard normal noise, ᾱ_t ``alphas_cumprod``,
z_t = √ᾱ_t z + √(1−ᾱ_t) ε. A model predicts ε, or v = √ᾱ_t ε − √(1−ᾱ_t) z (Salimans and Ho 2022).
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from viewdistill.documents import read_json
from viewdistill.errors import ViewDistillError

BetaSchedule = Literal["scaled_linear", "linear"]
PredictionType = Literal["epsilon", "v_prediction"]


@dataclass(frozen=True)
class NoiseSchedule:
    """ᾱ_t of a model and the meaning of its output; the defaults are Stable Diffusion's.

    The precision of ᾱ_t is always fp32: at small t, 1 − ᾱ_t has lost most of its digits in half precision.
    """

    num_train_timesteps: int = 1000
    """Number of noise levels; timesteps are 0 … num_train_timesteps − 1."""
    beta_start: float = 0.00085
    """Variance added at the first step."""
    beta_end: float = 0.012
    """Variance added at the last step."""
    beta_schedule: BetaSchedule = "scaled_linear"
    """``scaled_linear`` interpolates √β, ``linear`` interpolates β."""
    prediction_type: PredictionType = "epsilon"
    """Quantity that the network outputs."""
    steps_offset: int = 1
    """Added to a sampler's timesteps 0, N/S, 2N/S …"""
    set_alpha_to_one: bool = False
    """Whether the sample after the last step counts as free of noise (ᾱ = 1) instead of at ᾱ_0."""

    @classmethod
    def from_config(cls, config: Mapping[str, Any], source: str = "scheduler config") -> "NoiseSchedule":
        """Read a diffusers scheduler configuration.

        Args:
            config: Contents of ``scheduler_config.json``; absent optional entries mean what they mean to diffusers.
            source: Where it comes from, for messages.

        Raises:
            ViewDistillError: An entry is missing, or asks for a schedule that is not implemented.
        """
        required = ("num_train_timesteps", "beta_start", "beta_end", "beta_schedule")
        if missing := [name for name in required if name not in config]:
            raise ViewDistillError(f"{source}: no {', '.join(missing)}; add what the model was trained with")
        if config["beta_schedule"] not in ("scaled_linear", "linear"):
            _refuse(source, "beta_schedule", config["beta_schedule"], "scaled_linear or linear")
        prediction_type = config.get("prediction_type", "epsilon")
        if prediction_type not in ("epsilon", "v_prediction"):
            _refuse(source, "prediction_type", prediction_type, "epsilon or v_prediction")
        for name in ("trained_betas", "rescale_betas_zero_snr"):
            if config.get(name):
                _refuse(source, name, config[name], "null or false")
        return cls(
            num_train_timesteps=int(config["num_train_timesteps"]),
            beta_start=float(config["beta_start"]),
            beta_end=float(config["beta_end"]),
            beta_schedule=config["beta_schedule"],
            prediction_type=prediction_type,
            steps_offset=int(config.get("steps_offset", 0)),
            set_alpha_to_one=bool(config.get("set_alpha_to_one", True)),
        )

    @classmethod
    def from_folder(cls, folder: Path) -> "NoiseSchedule":
        """Read ``scheduler_config.json`` in the ``scheduler`` folder of a prior.

        Raises:
            ViewDistillError: The file is missing, is not JSON, or is refused by `from_config`.
        """
        path = folder / "scheduler_config.json"
        return cls.from_config(read_json(path, "fetch or train the prior again"), str(path))

    @property
    def alphas_cumprod(self) -> Float[Tensor, " timesteps"]:
        """ᾱ_t for every t, fp32, on the CPU."""
        return _alphas_cumprod(self, torch.device("cpu"))

    @property
    def final_alpha_cumprod(self) -> float:
        """ᾱ of the sample after a sampler's last step."""
        return 1.0 if self.set_alpha_to_one else float(self.alphas_cumprod[0])

    def has_noise_levels_of(self, other: "NoiseSchedule") -> bool:
        """Return whether z_t means the same under both schedules, so that their models share a z_t."""
        return _betas(self) == _betas(other)

    def alpha_bar(self, timesteps: Int[Tensor, " batch"]) -> Float[Tensor, "batch 1 1 1"]:
        """Return ᾱ_t, shaped to multiply latents."""
        return _alphas_cumprod(self, timesteps.device)[timesteps][:, None, None, None]

    def add_noise(
        self,
        latents: Float[Tensor, "batch c h w"],
        noise: Float[Tensor, "batch c h w"],
        timesteps: Int[Tensor, " batch"],
    ) -> Float[Tensor, "batch c h w"]:
        """Return noisy latents z_t = √ᾱ_t z + √(1−ᾱ_t) ε."""
        alpha_bar = self.alpha_bar(timesteps)
        return alpha_bar.sqrt() * latents + (1 - alpha_bar).sqrt() * noise

    def velocity(
        self,
        latents: Float[Tensor, "batch c h w"],
        noise: Float[Tensor, "batch c h w"],
        timesteps: Int[Tensor, " batch"],
    ) -> Float[Tensor, "batch c h w"]:
        """Return the velocity v = √ᾱ_t ε − √(1−ᾱ_t) z, the training target of a v-predicting model."""
        alpha_bar = self.alpha_bar(timesteps)
        return alpha_bar.sqrt() * noise - (1 - alpha_bar).sqrt() * latents

    def training_target(
        self,
        latents: Float[Tensor, "batch c h w"],
        noise: Float[Tensor, "batch c h w"],
        timesteps: Int[Tensor, " batch"],
    ) -> Float[Tensor, "batch c h w"]:
        """Return the network's training target: ε or v."""
        return noise if self.prediction_type == "epsilon" else self.velocity(latents, noise, timesteps)

    def epsilon_from_velocity(
        self,
        velocity: Float[Tensor, "batch c h w"],
        noisy: Float[Tensor, "batch c h w"],
        timesteps: Int[Tensor, " batch"],
    ) -> Float[Tensor, "batch c h w"]:
        """Return the noise ε = √ᾱ_t v + √(1−ᾱ_t) z_t."""
        alpha_bar = self.alpha_bar(timesteps)
        return alpha_bar.sqrt() * velocity + (1 - alpha_bar).sqrt() * noisy

    def epsilon_from_output(
        self,
        output: Float[Tensor, "batch c h w"],
        noisy: Float[Tensor, "batch c h w"],
        timesteps: Int[Tensor, " batch"],
    ) -> Float[Tensor, "batch c h w"]:
        """Return ε from a network's output, which is ε or v; computed in fp32."""
        if self.prediction_type == "epsilon":
            return output.float()
        return self.epsilon_from_velocity(output.float(), noisy.float(), timesteps)

    def clean_from_epsilon(
        self,
        epsilon: Float[Tensor, "batch c h w"],
        noisy: Float[Tensor, "batch c h w"],
        timesteps: Int[Tensor, " batch"],
    ) -> Float[Tensor, "batch c h w"]:
        """Return the one-step estimate of the clean latents, ẑ = (z_t − √(1−ᾱ_t) ε) / √ᾱ_t."""
        alpha_bar = self.alpha_bar(timesteps)
        return (noisy - (1 - alpha_bar).sqrt() * epsilon) / alpha_bar.sqrt()


def _betas(schedule: NoiseSchedule) -> tuple[int, float, float, str]:
    return schedule.num_train_timesteps, schedule.beta_start, schedule.beta_end, schedule.beta_schedule


@functools.lru_cache(maxsize=8)
def _alphas_cumprod(schedule: NoiseSchedule, device: torch.device) -> Tensor:
    # In fp64, as Zero-1-to-3 computes them, and rounded once.
    power = 0.5 if schedule.beta_schedule == "scaled_linear" else 1.0
    ends = schedule.beta_start**power, schedule.beta_end**power
    betas = torch.linspace(*ends, schedule.num_train_timesteps, dtype=torch.float64) ** (1 / power)
    return (1 - betas).cumprod(0).float().to(device)


def _refuse(source: str, name: str, value: object, expected: str) -> None:
    raise ViewDistillError(f"{source}: {name} is {value!r}, expected {expected}; use a prior with such a schedule")
