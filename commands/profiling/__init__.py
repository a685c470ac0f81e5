"""Where the time and memory of a stage's step go."""
