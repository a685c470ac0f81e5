"""Triton's kernels are interpreted where there is no GPU; Triton looks at this when the kernels are imported."""

import os

import torch

if not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")
