"""DeepMimic motion files: JSON text, one row of 44 numbers per frame, on the humanoid of that paper.

Peng et al. 2018, "DeepMimic: Example-Guided Deep Reinforcement Learning of Physics-Based Character Skills". A row is
[duration, root xyz, root quaternion wxyz, then joint by joint a quaternion wxyz, or one angle for knee and elbow].
"""

import json
from typing import Final

import numpy as np
from scipy.spatial.transform import Rotation

from carescene.errors import UserError
from carescene.humans.source_motion import Y_UP_TO_Z_UP, SourceMotion

# The humanoid of the paper, in its own y-up frame that faces +x with the right side at +z, in metres.
# Name, parent, offset, degrees of freedom (0 none, 1 hinge about z, 3 quaternion).
_HUMANOID: Final[tuple[tuple[str, int, tuple[float, float, float], int], ...]] = (
    ("pelvis", -1, (0.0, 0.0, 0.0), 3),
    ("torso", 0, (0.0, 0.236151, 0.0), 3),
    ("head", 1, (0.0, 0.223894, 0.0), 3),
    ("right_thigh", 0, (0.0, 0.0, 0.084887), 3),
    ("right_shin", 3, (0.0, -0.421546, 0.0), 1),
    ("right_foot", 4, (0.0, -0.40987, 0.0), 3),
    ("right_upper_arm", 1, (-0.02405, 0.2435, 0.18311), 3),
    ("right_lower_arm", 6, (0.0, -0.274788, 0.0), 1),
    ("right_hand", 7, (0.0, -0.258947, 0.0), 0),
    ("left_thigh", 0, (0.0, 0.0, -0.084887), 3),
    ("left_shin", 9, (0.0, -0.421546, 0.0), 1),
    ("left_foot", 10, (0.0, -0.40987, 0.0), 3),
    ("left_upper_arm", 1, (-0.02405, 0.2435, -0.18311), 3),
    ("left_lower_arm", 12, (0.0, -0.274788, 0.0), 1),
    ("left_hand", 13, (0.0, -0.258947, 0.0), 0),
)
_ROW = 1 + 3 + sum({0: 0, 1: 1, 3: 4}[dof] for _, _, _, dof in _HUMANOID)


def read_deepmimic(text: str, name: str) -> tuple[SourceMotion, bool]:
    """Read a DeepMimic file; joints are named as in the AMP humanoid, which has the same bones.

    Frames: the world and all joint frames are turned from y up to z up together, so that the joint frames face +x
    with the left side at +y, exactly as those of `read_samp_circle`.

    Returns:
        the motion, and whether it is a cycle (`"Loop": "wrap"`: the last frame continues at the first).

    Raises:
        UserError: the text is not JSON, lacks frames, or a frame has the wrong count of numbers.
    """
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(
            f"Expected a DeepMimic motion (JSON) in {name}, but line {error.lineno} does not parse: {error.msg}. "
            "The file is damaged or truncated; copy it again."
        ) from error
    rows = content.get("Frames") if isinstance(content, dict) else None
    if not isinstance(rows, list) or not rows:
        raise UserError(f'Expected a list "Frames" in {name}, but there is none. This is not a DeepMimic motion file.')
    for number, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != _ROW or not all(isinstance(v, int | float) for v in row):
            got = f"{len(row)} values" if isinstance(row, list) else type(row).__name__
            raise UserError(
                f"Expected {_ROW} numbers in frame {number} of {name}, but got {got}. "
                "The file is damaged, or made for another character than the humanoid."
            )
    values = np.array(rows, dtype=np.float64)
    if not np.isfinite(values).all():
        frame = int(np.argwhere(~np.isfinite(values))[0, 0])
        raise UserError(f"Expected finite numbers in {name}, but frame {frame} has NaN or infinity. Cut it out.")
    return _build(values, name), content.get("Loop") == "wrap"


def _build(values: np.ndarray, name: str) -> SourceMotion:
    rotations = np.tile(np.eye(3), (len(values), len(_HUMANOID), 1, 1))
    column = 4
    for index, (joint, _, _, dof) in enumerate(_HUMANOID):
        if dof == 3:
            wxyz = values[:, column : column + 4]
            if (np.linalg.norm(wxyz, axis=-1) < 0.5).any():
                raise UserError(f"Expected unit quaternions for {joint} in {name}, but got a zero one. Cut it out.")
            rotations[:, index] = Rotation.from_quat(wxyz[:, [1, 2, 3, 0]]).as_matrix()
            column += 4
        elif dof == 1:
            rotations[:, index] = Rotation.from_rotvec(values[:, column, None] * np.array([0.0, 0.0, 1.0])).as_matrix()
            column += 1
    turn = Y_UP_TO_Z_UP
    # A frame's duration lasts until the next frame; the last one's says nothing (it is 0 in most files).
    times = np.concatenate(([0.0], np.cumsum(values[:-1, 0])))
    return SourceMotion(
        name=name,
        joint_names=tuple(joint for joint, _, _, _ in _HUMANOID),
        parents=tuple(parent for _, parent, _, _ in _HUMANOID),
        rotations=turn @ rotations @ turn.T,
        trans=values[:, 1:4] @ turn.T,
        offsets=np.array([offset for _, _, offset, _ in _HUMANOID]) @ turn.T,
        times=times,
    )
