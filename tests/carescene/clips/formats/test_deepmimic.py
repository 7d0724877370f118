"""DeepMimic: which way things point after reading, and damaged files."""

import json

import numpy as np
import pytest

from carescene.clips.formats import SourceMotion, read_deepmimic, source_kinematics
from carescene.errors import UserError

COLUMNS = {"root": 4, "right_knee": 20, "right_elbow": 29, "left_knee": 34}


def write(frames: int = 3, seconds: float = 0.1, **angles: float) -> str:
    """Somebody who stands at height 0.85 facing +x; angles are hinges in radians."""
    row = [seconds, 0.0, 0.85, 0.0] + [1.0, 0.0, 0.0, 0.0] * 4 + [0.0] + [1.0, 0.0, 0.0, 0.0] * 2 + [0.0]
    row += [1.0, 0.0, 0.0, 0.0] + [0.0] + [1.0, 0.0, 0.0, 0.0] * 2 + [0.0]
    for name, angle in angles.items():
        row[COLUMNS[name]] = angle
    return json.dumps({"Loop": "wrap", "Frames": [row] * frames})


def places(motion: SourceMotion) -> dict[str, np.ndarray]:
    positions, _ = source_kinematics(motion.parents, motion.rotations, motion.trans, motion.offsets)
    return dict(zip(motion.joint_names, positions[0], strict=True))


def test_stands_upright_facing_x_with_left_at_y() -> None:
    motion, cyclic = read_deepmimic(write(), "take")
    at = places(motion)
    assert cyclic
    np.testing.assert_allclose(motion.times, [0.0, 0.1, 0.2])
    np.testing.assert_allclose(at["pelvis"], [0.0, 0.0, 0.85], atol=1e-12)
    assert at["head"][2] > 1.25 and at["left_foot"][2] < 0.05
    assert at["left_thigh"][1] > 0.05 and at["right_upper_arm"][1] < -0.1


def test_knees_bend_back_and_elbows_forward() -> None:
    at = places(read_deepmimic(write(right_knee=-1.5, right_elbow=1.5), "take")[0])
    assert at["right_foot"][0] < -0.3 and abs(at["left_foot"][0]) < 1e-9
    assert at["right_hand"][0] > 0.2 and abs(at["left_hand"][0] - at["left_lower_arm"][0]) < 1e-9


def test_durations_may_vary() -> None:
    content = json.loads(write(frames=4))
    for row, seconds in zip(content["Frames"], (0.1, 0.2, 0.05, 0.0), strict=True):
        row[0] = seconds
    motion, _ = read_deepmimic(json.dumps(content), "take")
    np.testing.assert_allclose(motion.times, [0.0, 0.1, 0.3, 0.35])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (write()[:-40], "take.*does not parse"),
        ("{}", 'take.*"Frames"|Frames.*take'),
        ('{"Frames": [[1.0, 2.0]]}', "44 numbers in frame 0 of take"),
        (write().replace("0.85", "NaN", 1), "frame 0 has NaN"),
        (write().replace("1.0, 0.0, 0.0, 0.0", "0.0, 0.0, 0.0, 0.0", 1), "unit quaternions for pelvis"),
        (write().replace("[0.1", "[-0.1", 2), "increasing frame times"),
    ],
)
def test_damaged_files(text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_deepmimic(text, "take")
