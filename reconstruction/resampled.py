"""A solution, whose frames are those that were looked at, as a clip of evenly spaced frames."""

import dataclasses

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from carescene.clips.clip import Clip, PersonInfo
from carescene.clips.resample import frame_times, resample_positions, resample_rotations
from carescene.clips.taxonomy import UNKNOWN_LABEL
from carescene.evaluation.reconstructed import valid_runs
from reconstruction.solution import Solution


def evenly_spaced(solution: Solution, times: Float[np.ndarray, "frame"], fps: float | int, clip_id: str) -> Clip:
    """The people of a solution at `fps`; frame 0 is at `times[0]`.

    Rotations and positions go through cubic splines, each stretch in which somebody is there by itself; standard
    deviations are interpolated in straight lines. Frames in which a person is not known are not valid and hold their
    nearest pose. A clip has two frames at least.

    Args:
        times: of the solution's frames, increasing.
        fps: of the clip.
        clip_id: what to call it.
    """
    times = times - times[0]
    at = frame_times(float(times[-1]), float(fps))
    at = at if len(at) > 1 else np.arange(2) / float(fps)
    persons, frames = len(solution.valid), len(at)
    rotations = np.broadcast_to(np.eye(3), (persons, frames, 24, 3, 3)).copy()
    trans, valid = np.zeros((persons, frames, 3)), np.zeros((persons, frames), bool)
    pose_std, trans_std = np.zeros((persons, frames, 24)), np.zeros((persons, frames, 3))
    # Half an interval before the first frame of a stretch and after its last one still belong to it.
    slack = 0.5 * float(np.median(np.diff(times))) if len(times) > 1 else 0.5 / float(fps)
    for person, there in enumerate(solution.valid):
        for run in valid_runs(there):
            own = times[run]
            inside = (at >= own[0] - slack) & (at <= own[-1] + slack)
            where = np.clip(at[inside], own[0], own[-1])
            turns, places = solution.state.rotations[person, run], solution.state.trans[person, run]
            if len(own) > 1:
                turns, places = resample_rotations(own, turns, where), resample_positions(own, places, where)
            rotations[person, inside], trans[person, inside] = turns, places
            for target, stated in ((pose_std, solution.pose_std), (trans_std, solution.trans_std)):
                for column in range(target.shape[-1]):
                    target[person, inside, column] = np.interp(where, own, stated[person, run, column])
            valid[person, inside] = True
        known = np.flatnonzero(valid[person])
        if len(known):
            nearest = known[np.abs(known[None] - np.arange(frames)[:, None]).argmin(1)]
            rotations[person], trans[person] = rotations[person, nearest], trans[person, nearest]
    poses = Rotation.from_matrix(rotations.reshape(-1, 3, 3)).as_rotvec().reshape(persons, frames, 24, 3)
    return Clip(
        id=clip_id,
        fps=float(fps),
        poses=poses.astype(np.float32),
        trans=trans.astype(np.float32),
        betas=solution.state.betas.astype(np.float32),
        frame_label=np.full((persons, frames), UNKNOWN_LABEL, np.int8),
        valid=valid,
        persons=[PersonInfo(height_m=round(float(height), 3)) for height in solution.stature],
        cameras=[dataclasses.replace(solution.camera, name="camera").to_dict()],
        pose_std=pose_std.astype(np.float32),
        trans_std=trans_std.astype(np.float32),
    )
