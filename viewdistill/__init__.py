"""ViewDistill: one image of an object to consistent views and a textured mesh.

The package holds the mathematics (cameras, guidance, diffusion, fields, rendering, meshes, metrics, procedural objects)
and the command line. It follows *Optimized View and Geometry Distillation from Multi-view Diffuser* (arXiv 2312.06198).
"""

from pkgutil import resolve_name
from typing import Any

from viewdistill.version import __version__ as __version__


def __getattr__(name: str) -> Any:
    """Return `distill`, the front door in Python.

    It stands above this package, which imports none of it: it is found by name, when asked for. No module of any
    package imports this one, so that no circle closes.
    """
    if name == "distill":
        return resolve_name("commands.pipeline.distill:distill")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
