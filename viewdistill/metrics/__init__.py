"""Metrics: agreement of pictures and of surfaces, defined once for every table."""
