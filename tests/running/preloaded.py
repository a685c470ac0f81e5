"""What commands import sooner or later, for the process that they are forked from; it starts no thread."""

import diffusers
import pymeshlab
import torch
import transformers
import xatlas
from diffusers.models.autoencoders import autoencoder_kl
from diffusers.models.unets import unet_2d_condition
from transformers.models.clip import modeling_clip

import commands.main
from commands.table import SUBCOMMANDS

torch.set_num_threads(1)
LIBRARIES = (
    commands.main,
    diffusers,
    pymeshlab,
    transformers,
    xatlas,
    autoencoder_kl,
    unet_2d_condition,
    modeling_clip,
)
MODULES = [SUBCOMMANDS[name].load() for name in ("object", *(n for n in SUBCOMMANDS if n not in ("view", "train")))]
