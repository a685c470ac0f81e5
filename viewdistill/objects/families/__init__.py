"""Families of procedural objects."""
