"""Time and memory of a stage's step, by phase."""
