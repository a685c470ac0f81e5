"""The device that ``--accelerator`` asks for."""

import argparse
from typing import Literal, get_args

import torch

from viewdistill.errors import ViewDistillError

Accelerator = Literal["auto", "cpu", "gpu"]
"""Devices by Lightning's names; auto is a GPU if available."""


def add_accelerator_argument(parser: argparse.ArgumentParser) -> None:
    """Declare ``--accelerator``."""
    parser.add_argument(
        "--accelerator",
        choices=get_args(Accelerator),
        default="auto",
        help="device to compute on (default: a GPU if available)",
    )


def device_of(accelerator: Accelerator) -> torch.device:
    """Return the device of an accelerator.

    Raises:
        ViewDistillError: A GPU is requested, but torch can use none.
    """
    if accelerator == "gpu" and not torch.cuda.is_available():
        raise ViewDistillError("--accelerator gpu: no GPU that torch can use; `viewdistill doctor` says why")
    return torch.device("cpu" if accelerator == "cpu" or not torch.cuda.is_available() else "cuda")
