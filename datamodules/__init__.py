"""Data of the stages: files of a run folder, camera samplers and rendered objects."""
