"""Callbacks of training: media, guards, averages and timings."""
