"""A signed distance field on a hash grid with colour, as NeuS and instant-nsr-pl use it.

Source: Wang et al. 2021, "NeuS"; instant-nsr-pl, `models/geometry.py` and `models/neus.py`; for normals by finite
differences and the schedule of levels, Li et al. 2023, "Neuralangelo".
"""

from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from viewdistill.fields.geometric_mlp import N_COORDINATES, GeometricMLP
from viewdistill.fields.hash_grid import Backend, HashGrid, HashGridConfig
from viewdistill.fields.mlp import MLP
from viewdistill.fields.spherical_harmonics import N_HARMONICS, spherical_harmonics
from viewdistill.precision import Precision, dtype_of

Gradients = Literal["analytic", "finite_difference"]
"""Computation of ∇f: by differentiation, or by central differences along the axes (six more evaluations)."""

DistanceNetwork = Literal["residual", "geometric"]
"""Form of f: an exact sphere plus a network of the hash features, or one network of position and hash features."""

INVERSE_STD_RANGE = (1e-6, 1e6)
"""Bounds of s, per world unit."""


class SurfaceQuery(NamedTuple):
    """Quantities at points, for a renderer."""

    sdf: Float[Tensor, " n"]
    """Signed distance, world units, negative inside."""
    gradients: Float[Tensor, "n 3"]
    """∇f, of length about 1."""
    rgb: Float[Tensor, "n 3"]
    """Colour in [0, 1]."""


class SDFField(nn.Module):
    """Signed distance f and colour of points of the cube [-radius, radius]^3.

    With a ``residual`` network, f(x) = |x| - sphere_radius + MLP(h(x)) and rgb(x, d) = sigmoid(MLP'(h(x), n(x),
    [SH(d)])), where h is the hash encoding of (x + radius) / (2 radius) and n = ∇f / |∇f|. The fixed term makes an
    untrained field a sphere, for networks of any width. With a ``geometric`` one, instant-nsr-pl's, f is the first of
    the outputs g(x / radius, h(x)) of a network that is a sphere by its first weights (Atzmon and Lipman 2020), on
    average over many units and in units of the radius, and the colour network reads all of g in place of h.

    Attributes:
        inverse_std: s of NeuS's logistic density, learned; its inverse is the half-width of what renders as surface.

    Example:
        >>> field = SDFField(HashGridConfig(n_levels=4, log2_hashmap_size=12), sphere_radius=0.5)
        >>> field.sdf(torch.tensor([[0.0, 0.0, 0.7]])).round(decimals=1)
        tensor([0.2000], grad_fn=<RoundBackward1>)
    """

    def __init__(
        self,
        grid: HashGridConfig,
        radius: float = 1.0,
        sphere_radius: float = 0.5,
        hidden_width: int = 64,
        n_hidden_layers: int = 1,
        n_color_layers: int = 2,
        distance_network: DistanceNetwork = "residual",
        n_geometry_features: int = 13,
        view_dependent: bool = False,
        gradients: Gradients = "analytic",
        epsilon: float | None = None,
        initial_inverse_std: float = 20.0,
        precision: Precision = "fp32",
        backend: Backend = "auto",
    ) -> None:
        """Build the field.

        Args:
            grid: Size of the hash grid.
            radius: Half the side of the cube the grid covers, world units.
            sphere_radius: Radius of the untrained field's sphere, world units.
            hidden_width: Width of the two networks' hidden layers.
            n_hidden_layers: Hidden layers of the distance network.
            n_color_layers: Hidden layers of the colour network.
            distance_network: Form of f.
            n_geometry_features: Outputs of a geometric network, the distance included; a residual one has no others.
            view_dependent: Whether colour may depend on the direction of view.
            gradients: Computation of ∇f.
            epsilon: Half the distance between the points of a finite difference, world units; the side of a cell of the
                finest active level when not given ("progressive" in the literature).
            initial_inverse_std: s of an untrained field, per world unit.
            precision: Precision of the colour network in training. Distances are always computed in float32: eight bits
                of mantissa would not survive differentiation.
            backend: Back end of the hash grid.

        Raises:
            ValueError: A size is not positive.
        """
        super().__init__()
        if min(radius, sphere_radius, initial_inverse_std, epsilon or 1) <= 0:
            raise ValueError("radius, sphere_radius, initial_inverse_std and epsilon must be positive")
        if n_geometry_features < 1:
            raise ValueError(f"n_geometry_features is {n_geometry_features}; give 1, the distance, or more")
        self.radius = radius
        self.sphere_radius = sphere_radius
        self.view_dependent = view_dependent
        self.gradients = gradients
        self.epsilon = epsilon
        self.precision: Precision = precision
        self.grid = HashGrid(grid, backend)
        self.geometric = distance_network == "geometric"
        self.sdf_network = (
            GeometricMLP(grid.n_output_dims, n_geometry_features, hidden_width, n_hidden_layers, sphere_radius / radius)
            if self.geometric
            else MLP(grid.n_output_dims, 1, hidden_width, n_hidden_layers, activation="softplus")
        )
        n_color_features = n_geometry_features if self.geometric else grid.n_output_dims
        n_color_inputs = n_color_features + 3 + N_HARMONICS * view_dependent
        self.color_network = MLP(n_color_inputs, 3, hidden_width, n_color_layers)
        # ten times the parameter in the exponent, as in NeuS, so that an optimiser step has an effect
        self.log_inverse_std = nn.Parameter(torch.tensor(initial_inverse_std).log() / 10)

    @property
    def inverse_std(self) -> Float[Tensor, ""]:
        """s, per world unit."""
        return (10 * self.log_inverse_std).exp().clamp(*INVERSE_STD_RANGE)

    @property
    def finite_difference_step(self) -> float:
        """Half the distance between the points of a finite difference, world units."""
        if self.epsilon is not None:
            return self.epsilon
        config = self.grid.config
        cells = config.base_resolution * config.per_level_scale ** (max(1, self.grid.active_levels) - 1)
        return 2 * self.radius / cells

    def encode(
        self, points: Float[Tensor, "n 3"], known: Float[Tensor, "n features"] | None = None
    ) -> Float[Tensor, "n features"]:
        """Return features of world positions; with ``known`` the same as part of the graph, see `HashGrid`."""
        return self.grid(self._unit(points), known)

    def sdf(
        self, points: Float[Tensor, "n 3"], known: Float[Tensor, "n features"] | None = None
    ) -> Float[Tensor, " n"]:
        """Return the signed distance of world positions, world units, negative inside; their features may be known."""
        return self._sdf(self._outputs(self.encode(points, known), points), points)

    def gradient(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
        """Return ∇f of world positions; differentiable while gradients are enabled."""
        return self._differentiate(points)[1]

    def normals(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
        """Return outward unit normals ∇f / |∇f|."""
        return nn.functional.normalize(self.gradient(points), dim=-1)

    def query(
        self,
        points: Float[Tensor, "n 3"],
        directions: Float[Tensor, "n 3"],
        known: Float[Tensor, "n features"] | None = None,
    ) -> SurfaceQuery:
        """Return distance, gradient and colour of world positions seen along unit directions (away from the camera)."""
        sdf, gradients, features = self._differentiate(points, known)
        return SurfaceQuery(sdf, gradients, self._color(features, gradients, directions))

    def color(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
        """Return colour in [0, 1] of world positions seen head-on, along their inward normals."""
        _, gradients, features = self._differentiate(points)
        return self._color(features, gradients, -nn.functional.normalize(gradients, dim=-1))

    def _unit(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
        return (points + self.radius) / (2 * self.radius)

    def _network_inputs(
        self, encoded: Float[Tensor, "n features"], points: Float[Tensor, "n 3"]
    ) -> Float[Tensor, "n inputs"]:
        return torch.cat([points / self.radius, encoded], -1) if self.geometric else encoded

    def _outputs(
        self, encoded: Float[Tensor, "n features"], points: Float[Tensor, "n 3"]
    ) -> Float[Tensor, "n outputs"]:
        return self.sdf_network(self._network_inputs(encoded, points))

    def _sdf(self, outputs: Float[Tensor, "n outputs"], points: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        return outputs[:, 0] if self.geometric else outputs[:, 0] + points.norm(dim=-1) - self.sphere_radius

    def _color(
        self, features: Float[Tensor, "n features"], gradients: Float[Tensor, "n 3"], directions: Float[Tensor, "n 3"]
    ) -> Float[Tensor, "n 3"]:
        inputs = [features, nn.functional.normalize(gradients, dim=-1)]
        if self.view_dependent:
            inputs.append(spherical_harmonics(directions))
        dtype = dtype_of(self.precision if self.training else "fp32", directions.device)
        return self.color_network(torch.cat(inputs, -1), dtype).sigmoid()

    def _differentiate(
        self, points: Float[Tensor, "n 3"], known: Float[Tensor, "n features"] | None = None
    ) -> tuple[Float[Tensor, " n"], Float[Tensor, "n 3"], Float[Tensor, "n inputs"]]:
        """Return f, ∇f and the colour network's input from the position."""
        if self.gradients == "finite_difference":
            return self._central_differences(points)
        create_graph = torch.is_grad_enabled()
        encoded = self.encode(points, known)
        with torch.enable_grad():
            inputs = self._network_inputs(encoded, points)
            inputs = inputs if inputs.requires_grad else inputs.detach().requires_grad_()
            outputs = self.sdf_network(inputs)
            (by_inputs,) = torch.autograd.grad(outputs[:, 0].sum(), inputs, create_graph=create_graph)
        outputs = outputs if create_graph else outputs.detach()
        # the chain rule by hand: see `HashGrid.point_gradient`
        by_features = by_inputs[:, N_COORDINATES:] if self.geometric else by_inputs
        by_points = self.grid.point_gradient(self._unit(points), by_features) / (2 * self.radius)
        sdf = self._sdf(outputs, points)
        if self.geometric:
            return sdf, by_points + by_inputs[:, :N_COORDINATES] / self.radius, outputs
        return sdf, by_points + points / points.norm(dim=-1, keepdim=True).clamp_min(1e-9), encoded

    def _central_differences(
        self, points: Float[Tensor, "n 3"]
    ) -> tuple[Float[Tensor, " n"], Float[Tensor, "n 3"], Float[Tensor, "n features"]]:
        step = self.finite_difference_step
        offsets = step * torch.cat([torch.zeros(1, 3), torch.eye(3), -torch.eye(3)]).to(points)
        around = (points + offsets[:, None]).reshape(-1, 3)
        encoded = self.encode(around)
        outputs = self._outputs(encoded, around)
        sdf, ahead, behind = self._sdf(outputs, around).reshape(7, -1).split([1, 3, 3])
        features = outputs if self.geometric else encoded
        return sdf[0], (ahead - behind).T / (2 * step), features[: len(points)]
