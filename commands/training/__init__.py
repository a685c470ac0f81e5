"""Training, export and conversion of priors."""
