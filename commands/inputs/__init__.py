"""Choices, estimates and settings of the input stage."""
