"""A stage in Weights & Biases: one run, with settings, media, artifacts and their lineage."""
