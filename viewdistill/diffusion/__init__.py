"""Latent diffusion priors: noise schedules, the two kinds of prior, and samplers."""
