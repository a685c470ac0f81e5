"""ViewDistill: one image of an object to consistent views and a textured mesh.

The package holds the mathematics (cameras, guidance, diffusion, fields, rendering, meshes, metrics, procedural objects)
and the command line. It follows *Optimized View and Geometry Distillation from Multi-view Diffuser* (arXiv 2312.06198).
"""

__version__ = "0.2.0"
