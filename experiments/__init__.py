"""Ablations, tables and comparisons."""
