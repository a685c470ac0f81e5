"""Scores of runs, meshes, views and priors."""
