"""Studies and ablations: what is to be run, in which order, and what came out."""
