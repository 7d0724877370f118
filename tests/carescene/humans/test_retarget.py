"""Retargeting: rotations that went in come out, and hand-made poses look as they should."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from carescene.clips.formats import SourceMotion, source_kinematics
from carescene.errors import UserError
from carescene.humans._retarget_fit import fit_retargeting, fit_shape
from carescene.humans._retarget_maps import SKELETON_MAPS, SkeletonMap, find_skeleton_map
from carescene.humans.reference import reference_rest_joints
from carescene.humans.retarget import Retargeting, joint_alignment, leg_length, retarget, sole_alignment
from carescene.humans.skeleton import JOINT, PARENTS

AMP = (
    ("pelvis", -1, (0.0, 0.0, 0.0)),
    ("torso", 0, (0.0, 0.0, 0.236)),
    ("head", 1, (0.0, 0.0, 0.224)),
    ("right_upper_arm", 1, (-0.024, -0.183, 0.2435)),
    ("right_lower_arm", 3, (0.0, 0.0, -0.275)),
    ("right_hand", 4, (0.0, 0.0, -0.259)),
    ("left_upper_arm", 1, (-0.024, 0.183, 0.2435)),
    ("left_lower_arm", 6, (0.0, 0.0, -0.275)),
    ("left_hand", 7, (0.0, 0.0, -0.259)),
    ("right_thigh", 0, (0.0, -0.085, 0.0)),
    ("right_shin", 9, (0.0, 0.0, -0.42)),
    ("right_foot", 10, (0.0, 0.0, -0.41)),
    ("left_thigh", 0, (0.0, 0.085, 0.0)),
    ("left_shin", 12, (0.0, 0.0, -0.42)),
    ("left_foot", 13, (0.0, 0.0, -0.41)),
)
NAMES = tuple(joint[0] for joint in AMP)
REST = reference_rest_joints().double().numpy()


def amp_motion(turns: dict[str, tuple[float, float, float]] | None = None, frames: int = 30) -> SourceMotion:
    """Somebody who stands still facing +x, with some joints turned by rotation vectors in their own frames."""
    rotations = np.tile(np.eye(3), (frames, len(AMP), 1, 1))
    for joint, rotvec in (turns or {}).items():
        rotations[:, NAMES.index(joint)] = Rotation.from_rotvec(rotvec).as_matrix()
    return SourceMotion(
        "amp",
        NAMES,
        tuple(joint[1] for joint in AMP),
        rotations,
        np.tile([0.0, 0.0, 0.9], (frames, 1)),
        np.array([joint[2] for joint in AMP]),
        np.arange(frames) / 20,
    )


def amp_setting(rest: np.ndarray = REST) -> Retargeting:
    skeleton = find_skeleton_map(NAMES, "amp")
    alignments = {joint: joint_alignment(entry, joint, rest) for joint, entry in skeleton.joints.items()}
    for joint, _, forward in skeleton.feet:
        alignments[joint] = sole_alignment(joint, np.array([0.0, 0.0, 1.0]), forward, rest)
    scale = leg_length(rest) / 0.83
    return Retargeting(skeleton, np.zeros(10), rest, scale, scale, alignments)


def at(turns: dict[str, tuple[float, float, float]]) -> dict[str, np.ndarray]:
    """Joint positions of ours relative to the pelvis in the first frame: x forward, y left, z up."""
    motion = retarget(amp_motion(turns), amp_setting())
    return {name: motion.joints[0, index] - motion.joints[0, 0] for name, index in JOINT.items()}


def test_hanging_arms_hang_and_we_face_where_the_source_does() -> None:
    place = at({})
    for side, sign in (("left", 1), ("right", -1)):
        drop = place[f"{side}_wrist"] - place[f"{side}_shoulder"]
        assert abs(drop[0]) < 0.01 and abs(drop[1]) < 0.01 and drop[2] < -0.45
        assert sign * place[f"{side}_hip"][1] > 0.05
        assert place[f"{side}_foot"][0] - place[f"{side}_ankle"][0] > 0.1
        # The foot is as flat as at rest.
        rest_drop = REST[JOINT[f"{side}_foot"], 1] - REST[JOINT[f"{side}_ankle"], 1]
        assert place[f"{side}_foot"][2] - place[f"{side}_ankle"][2] == pytest.approx(rest_drop, abs=1e-9)
    assert place["head"][2] > 0.5


@pytest.mark.parametrize("side", ["left", "right"])
def test_elbows_bend_forward_and_knees_back(side: str) -> None:
    place = at({f"{side}_lower_arm": (0.0, -np.pi / 2, 0.0), f"{side}_shin": (0.0, np.pi / 2, 0.0)})
    forearm = place[f"{side}_wrist"] - place[f"{side}_elbow"]
    shin = place[f"{side}_ankle"] - place[f"{side}_knee"]
    assert forearm[0] > 0.2 and abs(forearm[1]) < 0.01 and abs(forearm[2]) < 0.01
    assert shin[0] < -0.4 and abs(shin[1]) < 0.02 and abs(shin[2]) < 0.02


@pytest.mark.parametrize("angle", [-0.7, 0.4, 1.2])
def test_twist_of_the_upper_arm_reaches_our_shoulder(angle: float) -> None:
    plain = retarget(amp_motion(), amp_setting())
    twisted = retarget(amp_motion({"left_upper_arm": (0.0, 0.0, angle)}), amp_setting())
    # A turn about the bone moves no joint of a straight arm, and is there in the rotations all the same.
    np.testing.assert_allclose(twisted.joints, plain.joints, atol=1e-9)
    index = JOINT["left_shoulder"]
    change = Rotation.from_matrix(twisted.world[0, index] @ plain.world[0, index].T).as_rotvec()
    np.testing.assert_allclose(change, [0.0, 0.0, angle], atol=1e-9)


def test_a_bent_back_is_shared_by_the_spine() -> None:
    motion = retarget(amp_motion({"torso": (0.0, 0.9, 0.0)}), amp_setting())
    root = motion.world[0, 0]
    bends = [
        Rotation.from_matrix(root.T @ motion.world[0, JOINT[name]]).magnitude()
        for name in ("spine1", "spine2", "spine3")
    ]
    np.testing.assert_allclose(bends, [0.3, 0.6, 0.9], atol=1e-9)


def test_the_hips_are_where_the_sources_are_times_the_leg_ratio() -> None:
    turns = {"pelvis": (0.3, -0.4, 1.1), "left_thigh": (0.2, -0.5, 0.1)}
    source, setting = amp_motion(turns), amp_setting()
    ours = retarget(source, setting)
    positions, _ = source_kinematics(source.parents, source.rotations, source.trans, source.offsets)
    theirs = positions[0, [NAMES.index("left_thigh"), NAMES.index("right_thigh")]].mean(axis=0)
    middle = ours.joints[0, [JOINT["left_hip"], JOINT["right_hip"]]].mean(axis=0)
    np.testing.assert_allclose(middle, setting.scale * theirs, atol=1e-12)


def _as_source(skeleton: SkeletonMap, setting: Retargeting, seed: int) -> tuple[SourceMotion, np.ndarray]:
    """A random motion of ours written as the source skeleton would record it, with our own bones."""
    rng = np.random.default_rng(seed)
    local = Rotation.from_rotvec(rng.normal(scale=0.4, size=(8 * 24, 3))).as_matrix().reshape(8, 24, 3, 3)
    world = np.empty_like(local)
    for joint, parent in enumerate(PARENTS):
        driven = joint == 0 or list(JOINT)[joint] in setting.alignments
        turn = local[:, joint] if driven else np.eye(3)
        world[:, joint] = turn if parent < 0 else world[:, parent] @ turn
    sources = {joint: entry.source for joint, entry in skeleton.joints.items()}
    sources |= {joint: source for joint, source, _ in skeleton.feet}
    names = list(sources.values())
    rotations = np.stack([world[:, JOINT[joint]] @ setting.alignments[joint].T for joint in sources], axis=1)
    # Every source joint hangs on a still root: parents do not matter to rotations in the world.
    motion = SourceMotion(
        "ours",
        ("still", *names),
        (-1,) + (0,) * len(names),
        np.concatenate((np.tile(np.eye(3), (8, 1, 1, 1)), rotations), axis=1),
        np.zeros((8, 3)),
        np.zeros((len(names) + 1, 3)),
        np.arange(8) / 20,
    )
    return motion, world


@pytest.mark.parametrize("name", ["bandai", "amp"])
@pytest.mark.parametrize("seed", [0, 1])
def test_world_rotations_come_back(name: str, seed: int) -> None:
    skeleton = next(entry for entry in SKELETON_MAPS if entry.name == name)
    alignments = {joint: joint_alignment(entry, joint, REST) for joint, entry in skeleton.joints.items()}
    rng = np.random.default_rng(seed)
    for joint, _, forward in skeleton.feet:
        up = np.cross(np.array(forward), rng.normal(size=3))
        alignments[joint] = sole_alignment(joint, up / np.linalg.norm(up), forward, REST)
    setting = Retargeting(skeleton, np.zeros(10), REST, 1.0, 1.0, alignments)
    motion, world = _as_source(skeleton, setting, seed)
    got = retarget(motion, setting).world
    for joint in alignments:
        np.testing.assert_allclose(got[:, JOINT[joint]], world[:, JOINT[joint]], atol=1e-9)


def test_alignments_are_rotations() -> None:
    for skeleton in SKELETON_MAPS:
        for joint, entry in skeleton.joints.items():
            matrix = joint_alignment(entry, joint, REST)
            np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-12)
            assert np.linalg.det(matrix) == pytest.approx(1.0)


def _rest_of(betas: np.ndarray) -> np.ndarray:
    """A made-up shape space: overall size, leg length, arm length, shoulder width."""
    rest = REST * (1 + 0.05 * betas[0])
    legs = [JOINT[f"{side}_{part}"] for side in ("left", "right") for part in ("knee", "ankle", "foot")]
    rest = rest.copy()
    rest[legs, 1] -= 0.03 * betas[1]
    for side, sign in (("left", 1), ("right", -1)):
        for k, part in enumerate(("elbow", "wrist", "hand"), start=1):
            rest[JOINT[f"{side}_{part}"], 0] += sign * 0.02 * k * betas[2]
    return rest


def test_shape_fit_finds_proportions_and_leaves_stature_usual() -> None:
    wanted = np.zeros(10)
    wanted[1:3] = 1.2, -0.8
    rest = _rest_of(wanted)
    pairs = find_skeleton_map(NAMES, "amp").lengths[:6]
    lengths = {pair: 0.7 * float(np.linalg.norm(rest[JOINT[pair[0]]] - rest[JOINT[pair[1]]])) for pair in pairs}
    betas = fit_shape(lengths, _rest_of)
    assert betas[1] > 0.4 and betas[2] < -0.3
    assert abs(betas[0]) < 1.0
    ours = _rest_of(betas)
    ratios = [np.linalg.norm(ours[JOINT[a]] - ours[JOINT[b]]) / lengths[a, b] for a, b in pairs[:4]]
    assert np.ptp(ratios) / np.mean(ratios) < 0.08


def test_fitting_brings_joints_near_and_measures_the_soles() -> None:
    rng = np.random.default_rng(2)
    takes = []
    for _ in range(3):
        turns = {name: tuple(rng.normal(scale=0.4, size=3)) for name in ("left_upper_arm", "right_upper_arm", "head")}
        # The source's feet point down by 0.2 where they stand: its joint frame is not level with its sole.
        turns |= {"left_foot": (0.0, 0.2, 0.0), "right_foot": (0.0, 0.2, 0.0)}
        takes.append(amp_motion(turns))
    setting = fit_retargeting(takes, find_skeleton_map(NAMES, "amp"), _rest_of)
    ours = retarget(takes[0], setting)
    for side in ("left", "right"):
        np.testing.assert_allclose(ours.world[0, JOINT[f"{side}_ankle"], :, 1], [0.0, 0.0, 1.0], atol=1e-6)
    positions, _ = source_kinematics(takes[0].parents, takes[0].rotations, takes[0].trans, takes[0].offsets)
    pairs = [(JOINT[mine], NAMES.index(theirs)) for mine, theirs in setting.skeleton.compared.items()]
    mine = ours.joints[0, [pair[0] for pair in pairs]]
    theirs = setting.size * positions[0, [pair[1] for pair in pairs]]
    error = np.linalg.norm((mine - mine.mean(0)) - (theirs - theirs.mean(0)), axis=-1)
    assert error.mean() < 0.03


def test_no_stance_is_told() -> None:
    flying = amp_motion()
    flying = SourceMotion(**(vars(flying) | {"trans": flying.trans + flying.times[:, None] * [3.0, 0.0, 0.0]}))
    with pytest.raises(UserError, match="stands still"):
        fit_retargeting([flying], find_skeleton_map(NAMES, "amp"), _rest_of)


def test_unknown_skeletons_are_told_with_what_is_missing() -> None:
    with pytest.raises(UserError, match=r"known here.*amp.*head"):
        find_skeleton_map(tuple(name for name in NAMES if name != "head"), "mine")


def test_poses_give_the_joints() -> None:
    from carescene.humans import forward_kinematics, rotvec_to_matrix

    motion = retarget(amp_motion({"torso": (0.1, 0.3, -0.2), "left_thigh": (0.3, -0.9, 0.0)}), amp_setting())
    joints, _ = forward_kinematics(
        rotvec_to_matrix(torch.from_numpy(motion.poses)), torch.from_numpy(motion.trans), torch.from_numpy(REST)
    )
    np.testing.assert_allclose(joints.numpy(), motion.joints, atol=1e-9)
