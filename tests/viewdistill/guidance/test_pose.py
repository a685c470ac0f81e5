import math

import torch

from viewdistill.cameras import look_at, relative_pose


def test_sign_of_the_relative_pose_by_hand() -> None:
    """The input camera is at (1.5, 0, 0); the other one at (0, 1, √3), a quarter turn to +y, 60° up, distance 2."""
    degrees = torch.tensor
    c2w = look_at(degrees(90.0), degrees(60.0), degrees(2.0))
    torch.testing.assert_close(c2w[:3, 3], torch.tensor([0.0, 1.0, math.sqrt(3)]), atol=1e-6, rtol=0)
    pose = relative_pose(degrees(0.0), degrees(0.0), degrees(1.5), degrees(90.0), degrees(60.0), degrees(2.0))
    # Polar angles from +z are 90° and 30°: target minus input is −60°. Moving up is negative.
    torch.testing.assert_close(pose, torch.tensor([-math.pi / 3, 1.0, 0.0, 0.5]), atol=1e-6, rtol=0)
    back = relative_pose(degrees(90.0), degrees(60.0), degrees(2.0), degrees(0.0), degrees(0.0), degrees(1.5))
    torch.testing.assert_close(back, torch.tensor([math.pi / 3, -1.0, 0.0, -0.5]), atol=1e-6, rtol=0)
