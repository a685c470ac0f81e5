"""Two solids of known geometry, and objects made of them."""

import numpy as np
import trimesh

from viewdistill.objects.geometry.parts import Part, Shape
from viewdistill.objects.materials import Color, Material, Pattern, Plain
from viewdistill.objects.textured import ProceduralObject

RED, BLUE = Color("red", (0.8, 0.2, 0.2)), Color("blue", (0.2, 0.2, 0.8))


def ball_part(radius: float = 0.5, slot: str = "body") -> Part:
    mesh = trimesh.creation.icosphere(subdivisions=5, radius=radius)
    return Part(np.asarray(mesh.vertices), np.asarray(mesh.faces), slot)


def box_part(size: tuple[float, float, float], centre: tuple[float, float, float], slot: str = "body") -> Part:
    mesh = trimesh.creation.box(size)
    return Part(np.asarray(mesh.vertices) + centre, np.asarray(mesh.faces), slot)


def box_on_ball(rng: np.random.Generator) -> Shape:
    return Shape([ball_part(0.4), box_part((0.3, 0.2, 0.1 + rng.uniform()), (0, 0, 0.5), "trim")], "toy", "toy")


def plain_object(
    part: Part, pattern: Pattern | None = None, base: Color = RED, second: Color = BLUE
) -> ProceduralObject:
    return ProceduralObject(
        vertices=part.vertices,
        faces=part.faces,
        part_of_face=np.zeros(len(part.faces), np.int64),
        material_of_face=np.zeros(len(part.faces), np.int64),
        materials=[Material(base, second, pattern or Plain())],
        caption="a red solid",
        noun="solid",
        family="solid",
    )
