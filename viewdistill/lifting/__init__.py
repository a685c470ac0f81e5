"""The lifting of a reference view into a volume, for small view-conditioned priors."""
