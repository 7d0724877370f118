"""Exact projection of an estimate of x_0 onto linear constraints, in a metric of smooth and possible movements.

    x + K A^T (A K A^T)^-1 (b - A x)

is the point nearest to x that fulfils A x = b, when distance is measured by K^-1. K is the covariance of the
corrections that a body could make:

    K = sum_g  k_g(t, s)  G_t P_g G_s^T   +   ridge

with G_t the tangent of the body at the estimate (`tangent`), P_g the variances of a group of movements, and k_g a
smooth covariance over time (`kernels`). A plain Euclidean projection moves one number of one frame and tears the
body apart; ProjFlow (Kim et al. 2026, CVPR) measured an FID of 1.152 with it and 0.107 with a metric of the skeleton.
The ridge reaches what the linearised body cannot. Whole poses are met first; what follows is conditioned on them.
"""

from collections.abc import Sequence
from typing import Final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from carescene.errors import UserError
from diffusion.representation import JOINTS, MOTION_FEATURES
from diffusion.steering.metric import GROUPS, HEIGHT, MOVE_GROUP, PATH, TURN, Metric, time_kernels
from diffusion.steering.rows import ClipConstraints
from diffusion.steering.tangent import Posture, pull, push

_FEATURE_GROUP: Final = torch.tensor([PATH, PATH, HEIGHT] + [TURN] * (MOTION_FEATURES - 3))


class Problem:
    """The constraints of a batch of clips, padded to one size and ready to be solved at every sampling step.

    Args:
        clips: one set per clip.
        persons: length of the person axis of the estimates, at least the number in the fullest clip.
        frames: length of the frame axis of the estimates, at least that of the longest clip.
        fixed: persons' frames that must not change because they are given.

    Raises:
        UserError: without clips, or for constraints on frames that are given.
    """

    def __init__(
        self,
        clips: Sequence[ClipConstraints],
        *,
        persons: int | None = None,
        frames: int | None = None,
        metric: Metric | None = None,
        fixed: Bool[Tensor, "batch person frame"] | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        if not clips:
            raise UserError("Expected constraints for at least one clip, but got none. Pass one set per clip.")
        self.metric = metric or Metric()
        self.clips = tuple(clips)
        self.persons = persons or max(clip.persons for clip in clips)
        self.frames = frames or max(clip.frames for clip in clips)
        self.device = torch.device(device)
        self._fixed = fixed
        self._kernels(device)
        self._pad_rows(device)
        self._pad_keys(device)

    def _kernels(self, device: torch.device | str) -> None:
        stacks: dict[tuple[float, frozenset[int]], tuple[Tensor, Tensor]] = {}
        rows: list[list[Tensor]] = []
        self._reach: list[list[tuple[Tensor, Tensor]]] = []
        for index, clip in enumerate(self.clips):
            rows.append([])
            self._reach.append([])
            for person in range(self.persons):
                known = {int(f) for p, f in clip.pose_at.tolist() if p == person}
                if self._fixed is not None:
                    known |= set(torch.nonzero(self._fixed[index, person]).flatten().tolist())
                key = (clip.fps, frozenset(known))
                if key not in stacks:
                    stacks[key] = time_kernels(self.metric, self.frames, clip.fps, known)
                free, reach = stacks[key]
                rows[-1].append(free)
                self._reach[-1].append((torch.tensor(sorted(known), dtype=torch.long, device=device), reach.to(device)))
        self.kernel = torch.stack([torch.stack(row) for row in rows]).to(device)

    def _pad_rows(self, device: torch.device | str) -> None:
        """Atoms are (equation, person, frame), with their coefficients on the features."""
        packed = [_atoms(clip) for clip in self.clips]
        atoms = max(len(part[0]) for part in packed)
        rows = max(len(clip.rows) for clip in self.clips)
        count = len(self.clips)
        self.atom_row = torch.zeros(count, atoms, dtype=torch.long)
        self.atom_person = torch.zeros(count, atoms, dtype=torch.long)
        self.atom_frame = torch.zeros(count, atoms, dtype=torch.long)
        self.atom_coef = torch.zeros(count, atoms, MOTION_FEATURES, dtype=torch.float64)
        self.value = torch.zeros(count, rows, dtype=torch.float64)
        self.used = torch.zeros(count, rows, dtype=torch.bool)
        for index, (clip, (row, person, frame, coef)) in enumerate(zip(self.clips, packed, strict=True)):
            self._refuse_fixed(index, clip, row, person, frame)
            self.atom_row[index, : len(row)], self.atom_person[index, : len(row)] = row, person
            self.atom_frame[index, : len(row)], self.atom_coef[index, : len(row)] = frame, coef
            self.value[index, : len(clip.rows)] = clip.rows.value
            self.used[index, : len(clip.rows)] = True
        for name in ("atom_row", "atom_person", "atom_frame", "atom_coef", "value", "used"):
            setattr(self, name, getattr(self, name).to(device))

    def _refuse_fixed(self, index: int, clip: ClipConstraints, row: Tensor, person: Tensor, frame: Tensor) -> None:
        if self._fixed is None:
            return
        bound = torch.zeros(len(clip.rows), dtype=torch.bool)
        bound[row] = True
        bound[row[~self._fixed[index][person, frame]]] = False
        if bool(bound.any()):
            label = clip.rows.label[int(torch.nonzero(bound)[0])]
            raise UserError(
                f"Expected constraints on frames that are free, but the {label} is on a frame that is given. "
                "Leave it out, or do not give that frame."
            )

    def _pad_keys(self, device: torch.device | str) -> None:
        self.key_features = [clip.pose_features.to(device) for clip in self.clips]
        self.events = [(clip.event_at.to(device), clip.event_value.to(device)) for clip in self.clips]

    def residual(self, motion: Float[Tensor, "batch person frame 201"]) -> Float[Tensor, "batch equation"]:
        """b - A x in metres; 0 in padding."""
        at = torch.arange(len(self.clips), device=motion.device)[:, None]
        picked = motion.double()[at, self.atom_person, self.atom_frame]
        left = torch.zeros_like(self.value).scatter_add(1, self.atom_row, (picked * self.atom_coef).sum(-1))
        return torch.where(self.used, self.value - left, 0.0)

    def project(
        self, motion: Float[Tensor, "batch person frame 201"], progress: float = 1.0
    ) -> Float[Tensor, "batch person frame 201"]:
        """The nearest motion that fulfils all equations and keyframes; in float64."""
        motion = self._meet_keyframes(motion.double())
        if self.value.shape[1] == 0:
            return motion
        posture = Posture.of_features(motion)
        solution = self._solve(motion, posture, self.residual(motion), progress)
        moved = motion + solution
        # The second pass takes away what rounding left of an ill-conditioned system.
        return moved + self._solve(moved, posture, self.residual(moved), progress)

    def project_events(self, event: Float[Tensor, "batch person frame 16"]) -> Float[Tensor, "batch person frame 16"]:
        """The event channel with the numbers that are asked for put in."""
        event = event.clone()
        for index, (at, value) in enumerate(self.events):
            event[index, at[:, 0], at[:, 1], at[:, 2]] = value.to(event)
        return event

    def _meet_keyframes(self, motion: Float[Tensor, "batch person frame 201"]) -> Tensor:
        if not any(len(features) for features in self.key_features):
            return motion
        motion = motion.clone()
        group = _FEATURE_GROUP.to(motion.device)
        for index, clip in enumerate(self.clips):
            for person in range(self.persons):
                frames, reach = self._reach[index][person]
                own = clip.pose_at[:, 0].to(motion.device) == person
                if not bool(own.any()):
                    continue
                at = clip.pose_at.to(motion.device)[own, 1]
                wanted = motion[index, person, frames].clone()
                wanted[torch.searchsorted(frames, at)] = self.key_features[index][own]
                change = wanted - motion[index, person, frames]
                for number in GROUPS:
                    part = group == number
                    motion[index, person][:, part] += reach[number] @ change[:, part]
                motion[index, person, frames] = wanted
        return motion

    def _solve(
        self,
        motion: Float[Tensor, "batch person frame 201"],
        posture: Posture,
        residual: Float[Tensor, "batch equation"],
        progress: float,
    ) -> Float[Tensor, "batch person frame 201"]:
        device = motion.device
        batch = torch.arange(len(self.clips), device=device)[:, None]
        group = MOVE_GROUP.to(device)
        variance = self.metric.variances(progress).to(device)
        ridge = self.metric.ridges().to(device)
        where = Posture(*(part[batch, self.atom_person, self.atom_frame] for part in posture))
        move = pull(self.atom_coef, where)
        same = self.atom_person[:, :, None] == self.atom_person[:, None, :]
        first, second = self.atom_frame[:, :, None], self.atom_frame[:, None, :]
        person, at = self.atom_person[:, :, None], batch[:, :, None]
        gram = torch.zeros(same.shape, dtype=torch.float64, device=device)
        for number in GROUPS:
            part = group == number
            time = self.kernel[at, person, number, first, second]
            gram += time * ((move[..., part] * variance[part]) @ move[..., part].transpose(-1, -2))
        time = self.kernel[at, person, TURN, first, second]
        gram += time * ((self.atom_coef * ridge) @ self.atom_coef.transpose(-1, -2))
        system = self._gather(gram * same)
        pressure = torch.cholesky_solve(residual[..., None], torch.linalg.cholesky(system))[..., 0]
        pressure = torch.gather(pressure, 1, self.atom_row)[..., None]
        shape = (len(self.clips), self.persons * self.frames)
        slot = self.atom_person * self.frames + self.atom_frame
        moves = _spread(pressure * move * variance, slot, shape).unflatten(1, (self.persons, self.frames))
        extra = _spread(pressure * self.atom_coef * ridge, slot, shape).unflatten(1, (self.persons, self.frames))
        smooth = torch.empty_like(moves)
        for number in GROUPS:
            part = group == number
            smooth[..., part] = self.kernel[:, :, number] @ moves[..., part]
        return push(smooth, posture) + self.kernel[:, :, TURN] @ extra

    def _gather(self, gram: Float[Tensor, "batch atom atom2"]) -> Float[Tensor, "batch equation equation2"]:
        """Sum of all atoms of each equation; padding becomes an equation of its own that asks for nothing."""
        rows = self.value.shape[1]
        index = self.atom_row[:, :, None].expand(-1, -1, gram.shape[2])
        half = gram.new_zeros(len(gram), rows, gram.shape[2]).scatter_add(1, index, gram)
        index = self.atom_row[:, None, :].expand(-1, rows, -1)
        whole = gram.new_zeros(len(gram), rows, rows).scatter_add(2, index, half)
        return whole + torch.diag_embed((~self.used).to(whole))


def _spread(
    values: Float[Tensor, "batch atom channel"], slot: Int[Tensor, "batch atom"], shape: tuple[int, int]
) -> Float[Tensor, "batch slot channel"]:
    out = values.new_zeros(*shape, values.shape[2])
    return out.scatter_add(1, slot[..., None].expand_as(values), values)


def _atoms(
    clip: ClipConstraints,
) -> tuple[Int[Tensor, "atom"], Int[Tensor, "atom"], Int[Tensor, "atom"], Float[Tensor, "atom 201"]]:
    """Equation, person, frame and coefficients on the features of every (equation, person, frame) of a clip.

    World position of the pelvis: the path as it is, the height over the ratio of the legs. Of another joint: in the
    plane the path plus the joint relative to the pelvis over the ratio, in height the joint over the ratio.
    """
    rows = clip.rows
    places: dict[tuple[int, int, int], int] = {}
    parts = zip(rows.row.tolist(), rows.person.tolist(), rows.frame.tolist(), strict=True)
    index = torch.tensor([places.setdefault(place, len(places)) for place in parts], dtype=torch.long)
    coef = torch.zeros(len(places), MOTION_FEATURES, dtype=torch.float64)
    scale = 1 / clip.ratio[rows.person]
    pelvis, planar = rows.joint == 0, rows.axis < 2
    path = planar | pelvis
    along = torch.where(planar, rows.coef, rows.coef * scale)
    coef.index_put_((index[path], rows.axis[path]), along[path], accumulate=True)
    joint = ~pelvis
    column = JOINTS.start + 3 * rows.joint + rows.axis
    coef.index_put_((index[joint], column[joint]), (rows.coef * scale)[joint], accumulate=True)
    whole = torch.tensor(list(places), dtype=torch.long).reshape(-1, 3)
    return whole[:, 0], whole[:, 1], whole[:, 2], coef
