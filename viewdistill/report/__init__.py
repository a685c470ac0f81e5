"""The report of a run: one HTML page with pictures, curves and an orbitable mesh, which needs no other file."""
