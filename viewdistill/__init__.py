"""ViewDistill: one image of an object to consistent views and a textured mesh.

The package holds the mathematics (cameras, guidance, diffusion, fields, rendering, meshes, metrics, procedural objects)
and the command line. It follows *Optimized View and Geometry Distillation from Multi-view Diffuser* (arXiv 2312.06198).
"""

from importlib import import_module
from typing import Any

__version__ = "0.2.0"


def __getattr__(name: str) -> Any:
    """Return `distill`, the Python entry point (`commands.pipeline.distill`).

    It stands above this package, which imports none of it: found by name and when asked for, it costs nothing before.
    """
    if name == "distill":
        return import_module("commands.pipeline.distill").distill
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
