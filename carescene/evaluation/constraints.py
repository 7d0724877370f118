"""How exactly generated clips keep what was fixed: points of a path, joints and whole poses at given times."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from jaxtyping import Float

from carescene.clips.clip import Clip
from carescene.errors import UserError
from carescene.humans.skeleton import JOINT

# Which joint and which coordinates each kind fixes.
_AXES: Final[dict[str, tuple[int, ...]]] = {
    "pelvis_xy": (0, 1),
    "pelvis": (0, 1, 2),
    "height": (2,),
    "joint": (0, 1, 2),
}


def constraint_errors(
    clip: Clip, joints: Float[np.ndarray, "person frame 24 3"], constraints: Sequence[Mapping[str, Any]]
) -> list[float]:
    """Distance in metres of each constraint from what the clip does at that time.

    Args:
        clip: for its frame rate and the frames in which people exist.
        joints: of all people on their own bodies in the world, metres (`tracks.clip_joints`).
        constraints: each with `person`, `kind` (pelvis_xy, pelvis, height, joint), `time_s`, `value` (metres in the
            world, None for a coordinate that is free) and, for joints, `joint`.

    Raises:
        UserError: an unknown kind or joint, a person or time that is not in the clip, or values that do not fit.
    """
    return [_error(clip, joints, row) for row in constraints]


def _error(clip: Clip, joints: Float[np.ndarray, "person frame 24 3"], row: Mapping[str, Any]) -> float:
    kind, person = str(row["kind"]), int(row.get("person", 0))
    frame = round(float(row["time_s"]) * clip.fps)
    name = str(row.get("joint") or "pelvis") if kind == "joint" else "pelvis"
    if kind not in _AXES or name not in JOINT:
        raise UserError(
            f"Clip '{clip.id}': expected a constraint on one of {', '.join(_AXES)} and a joint of SMPL, but got kind "
            f"'{kind}' and joint '{name}'. Correct what the clip says was requested."
        )
    if not (0 <= person < clip.num_persons and 0 <= frame < clip.num_frames):
        raise UserError(
            f"Clip '{clip.id}': expected a person and a time of the clip, but got person {person} and "
            f"{float(row['time_s']):.2f} s. Correct what the clip says was requested."
        )
    values, axes = list(row["value"]), _AXES[kind]
    if len(values) != len(axes):
        raise UserError(
            f"Clip '{clip.id}': expected {len(axes)} numbers for a constraint of kind '{kind}', but got {len(values)}. "
            "Correct what the clip says was requested."
        )
    at = joints[person, frame, JOINT[name]]
    off = [at[axis] - float(value) for axis, value in zip(axes, values, strict=True) if value is not None]
    return float(np.linalg.norm(off))
