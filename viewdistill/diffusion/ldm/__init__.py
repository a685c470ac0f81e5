"""Checkpoints in the original latent-diffusion layout, and their conversion to diffusers'."""
