"""What Weights & Biases is told about a stage: one run, with settings, media, artifacts and their lineage."""
