"""Procedural objects as training data of the embedded priors."""
