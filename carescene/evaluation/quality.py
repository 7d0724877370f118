"""The `quality` block of a clip: a few physical measures of this one clip, for sorting good from bad."""

import numpy as np
import torch

from carescene.clips.clip import Clip
from carescene.evaluation.physics import floor_penetration, foot_skating, jerk
from carescene.humans.body import Body


def measure_quality(clip: Clip, body: Body) -> dict[str, float]:
    """`skate` (m/s of standing feet), `jerk` (m/s3 of the joints) and `penetration` (m of the mesh under the floor).

    Means over the clip's valid frames and persons, see `carescene.evaluation.physics`.
    """
    with torch.inference_mode():
        mesh = body.pose(
            torch.from_numpy(np.nan_to_num(clip.poses)).float(),
            torch.from_numpy(np.nan_to_num(clip.trans)).float(),
            torch.from_numpy(clip.betas).float()[:, None].expand(-1, clip.num_frames, -1),
        )
    valid = torch.from_numpy(clip.valid)
    values = {
        "skate": foot_skating(mesh.joints, clip.fps, valid),
        "jerk": jerk(mesh.joints, clip.fps, valid),
        "penetration": floor_penetration(mesh.vertices, valid),
    }
    return {name: round(float(value), 5) for name, value in values.items()}
