"""BVH: angles and places against hand-made rotations, and every kind of damage by line."""

import numpy as np
import pytest

from carescene.clips.formats import read_bvh, source_kinematics
from carescene.errors import UserError

AXES = {"X": 0, "Y": 1, "Z": 2}


def about(axis: str, degrees: float) -> np.ndarray:
    """Rotation about a coordinate axis, written out."""
    a, b = (AXES[axis] + 1) % 3, (AXES[axis] + 2) % 3
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    matrix = np.eye(3)
    matrix[a, a], matrix[b, b], matrix[a, b], matrix[b, a] = cos, cos, -sin, sin
    return matrix


def simple(order: str = "ZXY", frames: str | None = None) -> str:
    """Two joints and an End Site, the root with positions and the given order of rotations, the other XYZ."""
    channels = " ".join(f"{axis}rotation" for axis in order)
    rows = frames or "10 90 20 30 40 50 5 15 25\n11 91 21 31 41 51 6 16 26\n12 92 22 32 42 52 7 17 27"
    return f"""HIERARCHY
ROOT Hips
{{
  OFFSET 1 2 3
  CHANNELS 6 Xposition Yposition Zposition {channels}
  JOINT Knee
  {{
    OFFSET 0 -40 1
    CHANNELS 3 Xrotation Yrotation Zrotation
    End Site
    {{
      OFFSET 0 -42 0
    }}
  }}
}}
MOTION
Frames: {len(rows.splitlines())}
Frame Time: 0.05
{rows}
"""


@pytest.mark.parametrize("order", ["ZXY", "XYZ", "YZX", "ZYX"])
def test_channels_compose_in_the_order_they_are_listed(order: str) -> None:
    motion = read_bvh(simple(order), "take")
    positions, world = source_kinematics(motion.parents, motion.rotations, motion.trans, motion.offsets)
    up = about("X", 90)
    root = up @ about(order[0], 30) @ about(order[1], 40) @ about(order[2], 50)
    np.testing.assert_allclose(world[0, 0], root, atol=1e-12)
    np.testing.assert_allclose(world[0, 1], root @ about("X", 5) @ about("Y", 15) @ about("Z", 25), atol=1e-12)
    # The root is where its channels say, not at its OFFSET; 90 cm of height become 0.9 m of z.
    np.testing.assert_allclose(positions[0, 0], [0.10, -0.20, 0.90], atol=1e-12)
    np.testing.assert_allclose(positions[0, 1], positions[0, 0] + root @ [0.0, -0.40, 0.01], atol=1e-12)
    assert motion.joint_names == ("Hips", "Knee")
    np.testing.assert_allclose(motion.times, [0.0, 0.05, 0.10])


def test_position_channels_of_inner_joints_win_over_offsets() -> None:
    text = simple(frames="0 90 0 0 0 0 1 -38 2 0 0 0\n0 90 1 0 0 0 1 -38 2 0 0 0").replace(
        "CHANNELS 3 Xrotation", "CHANNELS 6 Xposition Yposition Zposition Xrotation"
    )
    np.testing.assert_allclose(read_bvh(text, "take").offsets[1], [0.01, -0.38, 0.02], atol=1e-12)


@pytest.mark.parametrize("turn", [0, 90])
def test_a_root_that_only_holds_the_scene_is_dropped(turn: int) -> None:
    body = simple().split("HIERARCHY\nROOT")[1]
    inner, motion_part = body.split("MOTION")
    frames = [f"0 0 {k} 0 {turn} 0 {row}" for k, row in enumerate(motion_part.strip().splitlines()[2:])]
    text = (
        "HIERARCHY\nROOT Scene\n{\nOFFSET 0 0 0\n"
        "CHANNELS 6 Xposition Yposition Zposition Zrotation Yrotation Xrotation\n"
        f"JOINT{inner}}}\nMOTION\nFrames: 3\nFrame Time: 0.05\n" + "\n".join(frames)
    )
    plain, held = read_bvh(simple(), "plain"), read_bvh(text, "held")
    assert held.joint_names == plain.joint_names and held.parents == plain.parents
    # The scene turns about the vertical and slides along the old z: the body goes along.
    scene = about("Z", turn)
    slide = np.array([[0.0, -0.01 * k, 0.0] for k in range(3)])
    np.testing.assert_allclose(held.trans, plain.trans @ scene.T + slide, atol=1e-12)
    np.testing.assert_allclose(held.rotations[:, 0], scene @ plain.rotations[:, 0], atol=1e-12)


def test_stretching_bones_are_refused() -> None:
    text = """HIERARCHY
ROOT Hips
{
  OFFSET 0 0 0
  CHANNELS 3 Xposition Yposition Zposition
  JOINT Spine
  {
    OFFSET 0 20 0
    CHANNELS 3 Zrotation Xrotation Yrotation
  }
  JOINT Knee
  {
    OFFSET 0 -40 0
    CHANNELS 3 Xposition Yposition Zposition
  }
}
MOTION
Frames: 2
Frame Time: 0.05
0 90 0 0 0 0 0 -40 0
0 90 0 0 0 0 0 -30 0
"""
    with pytest.raises(UserError, match=r"constant length.*Knee"):
        read_bvh(text, "take")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("HIERARCHY", "HIER", "line 1 of take.*not a BVH"),
        ("OFFSET 0 -40 1", "OFFSET 0 -40", "line 8 of take.*3 numbers"),
        ("OFFSET 0 -40 1", "OFFSET 0 minus 1", "line 8 of take.*not a number"),
        ("CHANNELS 3 Xrotation", "CHANNELS 3 Wrotation", "line 9 of take.*unknown"),
        ("CHANNELS 3 Xrotation", "CHANNELS 4 Xrotation", "line 9 of take.*count"),
        ("  JOINT Knee", "  ROOT Knee", "line 6 of take.*braces"),
        ("    End Site", "    Ende Site", "line 10 of take.*damaged"),
        ("  }\n}\nMOTION", "  }\nMOTION", "line 15 of take.*still open"),
        ("Frames: 3", "Frames: many", "line 17 of take"),
        ("Frame Time: 0.05", "Frame Time: 7", "line 18 of take.*frame rate"),
        ("12 92 22 32 42 52 7 17 27", "12 92 22", "line 21 of take.*9 numbers"),
        ("12 92 22 32 42 52 7 17 27", "", "ends at line 2.*truncated"),
        ("12 92 22 32 42 52 7 17 27", "12 92 22 nan 42 52 7 17 27", "take.*frame 3 has NaN"),
    ],
)
def test_damage_is_told_with_its_place(old: str, new: str, message: str) -> None:
    text = simple()
    assert old in text
    with pytest.raises(UserError, match=message):
        read_bvh(text.replace(old, new, 1), "take")
