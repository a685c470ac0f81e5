"""Solids, and parts made of them."""
