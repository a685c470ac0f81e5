"""Networks that take turns on a device, and compiled ones."""

from typing import Any

import pytest
import torch
from torch import nn

from viewdistill.diffusion.placement import compile_network, take_turns
from viewdistill.errors import ViewDistillError

HAS_GPU = torch.cuda.is_available()


class Moved(nn.Linear):
    """A layer that writes down where it is sent; a CPU alone has no second place, so it only pretends to have moved."""

    def __init__(self, name: str, moves: list[tuple[str, str]]) -> None:
        super().__init__(2, 2)
        self.name, self.moves, self.place = name, moves, "meta"

    def parameters(self, recurse: bool = True) -> Any:
        """One parameter, which is where the layer was sent."""
        yield torch.empty(1, device=self.place)

    def to(self, device: torch.device) -> "Moved":  # type: ignore[override]
        self.place = str(device)
        self.moves.append((self.name, self.place))
        return self


class Smooth(nn.Linear):
    """A network of one layer; torch.compile leaves torch's own layers alone."""

    def __init__(self) -> None:
        super().__init__(3, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The layer."""
        return nn.functional.silu(super().forward(x))


def test_only_the_network_that_was_called_last_is_on_the_device() -> None:
    moves: list[tuple[str, str]] = []
    a, b, c = networks = [Moved(name, moves) for name in "abc"]
    take_turns(networks, torch.device("meta"))
    assert moves == [("a", "cpu"), ("b", "cpu"), ("c", "cpu")]
    moves.clear()
    x = torch.ones(1, 2)
    a(x)
    a(x)
    c(x)
    b(x)
    assert moves == [("a", "meta"), ("a", "cpu"), ("c", "meta"), ("c", "cpu"), ("b", "meta")]


@pytest.mark.gpu
@pytest.mark.skipif(not HAS_GPU, reason="needs a GPU")
def test_memory_of_the_others_is_free_on_a_gpu() -> None:
    networks = [nn.Linear(1024, 1024, bias=False) for _ in range(3)]
    device, x = torch.device("cuda"), torch.ones(1, 1024, device="cuda")
    expected = [network.to(device)(x).cpu() for network in networks]
    before = torch.cuda.memory_allocated() - 3 * 4 * 1024**2
    take_turns(networks, device)
    for network, output in zip(networks, expected, strict=True):
        assert torch.equal(network(x).cpu(), output)
        assert torch.cuda.memory_allocated() - before < 1.5 * 4 * 1024**2


def test_a_compiled_network_computes_the_same() -> None:
    torch.manual_seed(0)
    network, x = Smooth(), torch.rand(4, 3)
    expected = network(x)
    graphs: list[int] = []

    def count(graph: Any, inputs: Any) -> Any:
        graphs.append(len(inputs))
        return graph.forward

    torch._dynamo.register_backend(count, "counting")
    try:
        compile_network(network, "counting")
        torch.testing.assert_close(network(x), expected)
    finally:
        torch._dynamo.reset()
    assert len(graphs) == 1


def test_a_back_end_that_does_not_exist_is_named() -> None:
    with pytest.raises(ViewDistillError, match=r"'inducter', not a back end of torch\.compile; choose .*inductor"):
        compile_network(nn.Linear(1, 1), "inducter")


def test_a_missing_compiler_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from torch._inductor import cpp_builder
    from torch._inductor.exc import InvalidCxxCompiler

    def none() -> str:
        raise InvalidCxxCompiler

    monkeypatch.setattr(cpp_builder, "get_cpp_compiler", none)
    with pytest.raises(ViewDistillError, match="needs a C\\+\\+ compiler"):
        compile_network(nn.Linear(1, 1), "inductor")
