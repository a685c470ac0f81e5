"""A radiance field on a hash grid: density and view-independent colour of points, as threestudio's implicit volume.

Source: threestudio, `geometry/implicit_volume.py`; the density bias is Magic3D's (Lin et al. 2023).
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from viewdistill.fields.hash_grid import Backend, HashGrid, HashGridConfig
from viewdistill.fields.mlp import MLP, Initialization
from viewdistill.precision import Precision, dtype_of


class DensityField(nn.Module):
    """Density σ and colour of points of the cube [-radius, radius]^3.

    σ(x) = softplus(MLP(h(x)) + b(x)) with the blob bias b(x) = blob_scale (1 - |x| / blob_radius), and
    rgb(x) = sigmoid(MLP'(h(x))), where h is the hash encoding of (x + radius) / (2 radius). The bias makes an untrained
    field a soft ball.

    Example:
        >>> field = DensityField(HashGridConfig(n_levels=4, log2_hashmap_size=12), radius=1.0)
        >>> density, rgb = field.query(torch.rand(5, 3))
        >>> density.shape, rgb.shape
        (torch.Size([5]), torch.Size([5, 3]))
    """

    def __init__(
        self,
        grid: HashGridConfig,
        radius: float = 1.0,
        hidden_width: int = 64,
        n_hidden_layers: int = 1,
        blob_scale: float = 10.0,
        blob_radius: float = 0.5,
        precision: Precision = "fp32",
        initialization: Initialization = "xavier",
        backend: Backend = "auto",
    ) -> None:
        """Build the field.

        Args:
            grid: Size of the hash grid.
            radius: Half the side of the cube the grid covers, world units.
            hidden_width: Width of the two networks' hidden layers.
            n_hidden_layers: Hidden layers of each network.
            blob_scale: Density bias at the origin.
            blob_radius: Distance from the origin where the bias is zero, world units.
            precision: Precision of the two networks in training; evaluation is always in float32, because eight bits of
                mantissa would show as terraces in an extracted surface.
            initialization: Bounds of the networks' first weights.
            backend: Back end of the hash grid.

        Raises:
            ValueError: A radius is not positive, or the precision is unknown.
        """
        super().__init__()
        if radius <= 0 or blob_radius <= 0:
            raise ValueError(f"radius and blob_radius must be positive, got {radius} and {blob_radius}")
        dtype_of(precision, torch.device("cpu"))
        self.radius = radius
        self.blob_scale = blob_scale
        self.blob_radius = blob_radius
        self.precision: Precision = precision
        self.grid = HashGrid(grid, backend)
        self.density_network, self.color_network = (
            MLP(grid.n_output_dims, n_outputs, hidden_width, n_hidden_layers, initialization=initialization)
            for n_outputs in (1, 3)
        )

    @property
    def network_dtype(self) -> torch.dtype:
        """Precision of the networks in the current mode."""
        return dtype_of(self.precision if self.training else "fp32", self.grid.params.device)

    def forward(
        self, points: Float[Tensor, "n 3"], known: Float[Tensor, "n features"] | None = None
    ) -> tuple[Float[Tensor, " n"], Float[Tensor, "n 3"]]:
        """Evaluate density and raw colour.

        Args:
            points: World positions in [-radius, radius]^3.
            known: Their features, if known from `encode`.

        Returns:
            Density, per world unit, and colour before the sigmoid.
        """
        encoded = self.encode(points, known)
        return self._density(encoded, points), self.color_network(encoded, self.network_dtype)

    def encode(
        self, points: Float[Tensor, "n 3"], known: Float[Tensor, "n features"] | None = None
    ) -> Float[Tensor, "n features"]:
        """Return features of world positions; with ``known`` the same as part of the graph, see `HashGrid`."""
        return self.grid((points + self.radius) / (2 * self.radius), known)

    def query(
        self, points: Float[Tensor, "n 3"], known: Float[Tensor, "n features"] | None = None
    ) -> tuple[Float[Tensor, " n"], Float[Tensor, "n 3"]]:
        """Return density, per world unit, and colour in [0, 1] of world positions, whose features may be known."""
        density, features = self(points, known)
        return density, features.sigmoid()

    def density(
        self, points: Float[Tensor, "n 3"], known: Float[Tensor, "n features"] | None = None
    ) -> Float[Tensor, " n"]:
        """Return density of world positions, per world unit; their features may be known."""
        return self._density(self.encode(points, known), points)

    def color(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
        """Return colour of world positions in [0, 1]."""
        return self.color_network(self.encode(points), self.network_dtype).sigmoid()

    def normals(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
        """Return outward unit normals -∇σ/|∇σ| by differentiation; differentiable while gradients are enabled."""
        create_graph = torch.is_grad_enabled()
        with torch.enable_grad():
            points = points if points.requires_grad else points.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(self.density(points).sum(), points, create_graph=create_graph)
        return -nn.functional.normalize(gradient, dim=-1)

    def _density(self, encoded: Float[Tensor, "n features"], points: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        raw = self.density_network(encoded, self.network_dtype)[:, 0]
        bias = self.blob_scale * (1 - points.norm(dim=-1) / self.blob_radius)
        return nn.functional.softplus(raw + bias)
