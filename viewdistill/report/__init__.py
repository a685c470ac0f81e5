"""Report of a run: one self-contained HTML page with pictures, curves and an orbitable mesh."""
