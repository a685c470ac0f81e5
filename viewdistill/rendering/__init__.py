"""Rendering: rays against occupancy grids, volume compositing, and ray casting against triangle meshes."""
