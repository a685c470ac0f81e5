"""Random tensors are the same in every run."""

from tests.viewdistill.diffusion.conftest import seed as seed
