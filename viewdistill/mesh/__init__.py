"""Meshes: from a density field to a cleaned, unwrapped, textured mesh on disk, and pictures of it."""
