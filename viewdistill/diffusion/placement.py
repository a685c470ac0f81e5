"""Placement and compilation of networks: offloading for small GPUs, and torch.compile."""

from collections.abc import Sequence

import torch
from torch import nn

from viewdistill.errors import ViewDistillError

CPU = torch.device("cpu")


def take_turns(networks: Sequence[nn.Module], device: torch.device) -> None:
    """Keep networks in main memory, and only the last called one on the device.

    Each call moves the previous network out: for a published UNet in fp16 1.7 GB each way, a good part of a second over
    PCIe. (accelerate's offloading fixes each network's predecessor; here the order of calls is free.)

    Args:
        networks: As they are; a hook is added to each.
        device: Device that they compute on.
    """

    def bring(network: nn.Module, _: object) -> None:
        for other in networks:
            if other is not network:
                _move(other, CPU)
        _move(network, device)

    for network in networks:
        _move(network, CPU)
        network.register_forward_pre_hook(bring)


def _move(network: nn.Module, device: torch.device) -> None:
    if next(network.parameters()).device != device:
        network.to(device)


def compile_network(network: nn.Module, backend: str) -> None:
    """Compile a network at its first call, by torch.compile; that call takes about a minute.

    Args:
        network: Any network; its results stay the same up to rounding.
        backend: Of torch.compile, for example ``inductor``.

    Raises:
        ViewDistillError: The back end does not exist, or inductor finds no compiler.
    """
    known = torch.compiler.list_backends(exclude_tags=())
    if backend not in known:
        raise ViewDistillError(f"compile is {backend!r}, not a back end of torch.compile; choose {', '.join(known)}")
    if backend == "inductor":
        # Imported here because it takes seconds, and few fits compile.
        from torch._inductor.cpp_builder import get_cpp_compiler
        from torch._inductor.exc import InvalidCxxCompiler

        try:
            get_cpp_compiler()
        except InvalidCxxCompiler as error:
            raise ViewDistillError(
                "compile: inductor needs a C++ compiler and finds none; install one (for example the package g++), or "
                "set it to null"
            ) from error
    network.compile(backend=backend, dynamic=False)
