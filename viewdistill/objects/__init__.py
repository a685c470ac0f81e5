"""Procedural textured objects with exact meshes: shapes, materials, an Embree renderer and a data set builder."""
