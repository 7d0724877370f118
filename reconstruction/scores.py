"""Recovered people against the truth of clips and takes: one row of numbers each."""

import numpy as np
import torch
from jaxtyping import Bool, Float

from carescene.evaluation.reconstructed import (
    acceleration_error,
    fit_similarity,
    interval_coverage,
    jitter,
    mpjpe,
    pa_mpjpe,
    root_error,
    rotation_errors,
    trajectory_errors,
    valid_runs,
    world_mpjpe,
)
from carescene.humans.rotations import rotvec_to_matrix
from carescene.humans.skeleton import JOINT
from carescene.rendering.camera import Camera
from reconstruction.camera_parameters import parameters_of, to_our_world
from reconstruction.captury_takes import CAPTURY_JOINTS, CapturyView
from reconstruction.seen_clips import SeenClip
from reconstruction.solution import Solution

_MM = 1000.0


def score_clip(seen: SeenClip, solution: Solution, first: Camera) -> dict[str, float]:
    """Errors of everybody in a clip; millimetres, metres, m/s^2, shares in per cent.

    Joints are compared in the frame of each one's own camera, as is usual; `root` is the error of the pelvis there as a
    share of its distance from the eye, without any alignment, `root upright` the same with gravity upright in both.
    `first` is the camera before the joint optimisation.
    Coverage is the share of single coordinates, in the upright world or in the joint's own frame, within one stated
    standard deviation.
    """
    clip = seen.clip
    both = solution.valid & clip.valid
    own = in_camera(solution.joints, solution.camera)
    truth = in_camera(seen.joints, seen.camera)
    straight = to_our_world(seen.camera)
    upright = (truth @ straight.rotation) + straight.eye
    pose = rotvec_to_matrix(torch.from_numpy(clip.poses[both].astype(np.float64))).numpy()
    turns = rotation_errors(solution.state.rotations[both], pose)[:, 1:]
    return {
        **joint_scores(own, truth, both, float(clip.fps)),
        "root %": 100 * float(root_error(own[both][:, 0], truth[both][:, 0], np.zeros(3)).mean()),
        "root upright %": 100
        * float(root_error(solution.joints[both][:, 0], upright[both][:, 0], straight.eye).mean()),
        "cover joints %": 100 * _coverage(solution.joints[both] - upright[both], solution.joint_std[both]),
        "cover turns %": 100 * _coverage(turns, solution.turn_std[both][:, 1:]),
        "cover root %": 100
        * interval_coverage(solution.joints[both][:, 0] - upright[both][:, 0], solution.trans_std[both]),
        **camera_scores(first, solution.camera, seen.camera),
        "frames %": 100 * float(both.sum() / clip.valid.sum()),
    }


def score_captury(view: CapturyView, solution: Solution, first: Camera) -> dict[str, float]:
    """Errors of a take's person as one camera sees them; trajectory errors also after the best scale; `first` as in
    `score_clip`."""
    own = in_camera(solution.joints[:, :, list(CAPTURY_JOINTS)], solution.camera)
    truth = in_camera(view.joints[None], view.camera)
    both = solution.valid & np.isfinite(truth).all((-1, -2))
    hips = [list(CAPTURY_JOINTS).index(JOINT[name]) for name in ("left_hip", "right_hip")]
    fps = float(1 / np.median(np.diff(view.keypoints.times)))
    root, goal = own[both][:, hips].mean(1), truth[both][:, hips].mean(1)
    scaled = fit_similarity(own[both].reshape(-1, 3), truth[both].reshape(-1, 3)).scale
    return {
        **joint_scores(own, truth, both, fps, (hips[0], hips[1])),
        "root %": 100 * float(root_error(root, goal, np.zeros(3)).mean()),
        "root ATE cm": 100 * trajectory_errors(root, goal)[0],
        "root ATE scaled cm": 100 * trajectory_errors(root, goal, scaled=True)[0],
        "scale": float(scaled),
        **camera_scores(first, solution.camera, view.camera),
    }


def joint_scores(
    joints: Float[np.ndarray, "person frame joint 3"],
    truth: Float[np.ndarray, "person frame joint 3"],
    both: Bool[np.ndarray, "person frame"],
    fps: float,
    root: tuple[int, ...] = (JOINT["left_hip"], JOINT["right_hip"]),
) -> dict[str, float]:
    """The usual errors of positions in millimetres, accelerations in m/s^2 and jitter in 10 m/s^3."""
    runs = [(person, run) for person in range(len(both)) for run in valid_runs(both[person], 4)]
    accelerations = [acceleration_error(joints[person, run], truth[person, run], fps) for person, run in runs]
    jitters = [jitter(joints[person, run], fps) for person, run in runs]
    world = [world_mpjpe(joints[person, run], truth[person, run]) for person, run in runs]
    whole = [world_mpjpe(joints[person, run], truth[person, run], first=None) for person, run in runs]
    return {
        "PA-MPJPE mm": _MM * float(pa_mpjpe(joints[both], truth[both]).mean()),
        "MPJPE mm": _MM * float(mpjpe(joints[both], truth[both], root).mean()),
        "W-MPJPE mm": _MM * _mean(world),
        "WA-MPJPE mm": _MM * _mean(whole),
        "acceleration m/s2": _mean(accelerations),
        "jitter": _mean(jitters),
    }


def camera_scores(first: Camera, last: Camera, truth: Camera) -> dict[str, float]:
    """How far the camera is off, before and after the joint optimisation: focal length and height in %, tilt in deg."""
    true = parameters_of(to_our_world(truth))
    scores = {}
    for name, camera in (("first ", first), ("", last)):
        off = parameters_of(camera) - true
        scores |= {
            f"{name}focal %": 100 * float(np.expm1(off[0])),
            f"{name}tilt deg": float(np.degrees(off[1])),
            f"{name}height %": 100 * float(np.expm1(off[3])),
        }
    return scores


def in_camera(points: Float[np.ndarray, "*batch 3"], camera: Camera) -> Float[np.ndarray, "*batch 3"]:
    """World points in a camera's own frame (right, down, forward), metres."""
    return (points - camera.eye) @ camera.rotation.T


def _coverage(errors: Float[np.ndarray, "item joint 3"], stated: Float[np.ndarray, "item joint 3"]) -> float:
    known = stated > 0
    return interval_coverage(errors[known], stated[known])


def _mean(parts: list[np.ndarray]) -> float:
    return float(np.concatenate([part.reshape(-1) for part in parts]).mean()) if parts else float("nan")
