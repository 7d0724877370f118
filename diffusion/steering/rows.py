"""Constraints of one clip as linear equations over positions in the world, plus whole poses and event channels.

    rows        sum_e coef_e * position(person_e, frame_e, joint_e, axis_e) = value      joint 0 is the pelvis
    keyframes   all 201 motion features of a person in a frame
    events      single numbers of the event channel

Equations that say the same twice are kept once; equations that contradict each other are refused by name.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from carescene.clips.taxonomy import OMNIFALL16
from carescene.errors import UserError
from carescene.humans.skeleton import JOINT
from diffusion.representation import EVENT_CLASSES, MOTION_FEATURES, encode_motion, features_to_joints, leg_ratio
from diffusion.steering.constraints import (
    Constraint,
    EventSpan,
    JointMeeting,
    JointTarget,
    Keyframe,
    PelvisHeight,
    RootPath,
    RootPoint,
    RootVelocity,
    check_constraint,
)

# Two equations that differ by less than this (metres) say the same.
SAME_M = 1e-5
# A position asked for in the very frame of a keyframe must be the keyframe's. Joints of other bodies than the
# reference are linear in the features only roughly.
_SAME_AS_KEYFRAME_M, _SAME_AS_SCALED_KEYFRAME_M = 1e-3, 0.05
_PIVOT = 1e-8


@dataclass(frozen=True)
class Rows:
    """Sparse equations; entry e belongs to equation `row[e]`. Positions and values in metres."""

    row: Int[Tensor, "entry"]
    person: Int[Tensor, "entry"]
    frame: Int[Tensor, "entry"]
    joint: Int[Tensor, "entry"]
    axis: Int[Tensor, "entry"]
    coef: Float[Tensor, "entry"]
    value: Float[Tensor, "equation"]
    label: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.value)

    def apply(self, joints: Float[Tensor, "person frame 22 3"]) -> Float[Tensor, "equation"]:
        """The left sides for positions in the world."""
        picked = joints[self.person, self.frame, self.joint, self.axis] * self.coef.to(joints)
        return torch.zeros(len(self.value)).to(joints).index_add(0, self.row, picked)


@dataclass(frozen=True)
class ClipConstraints:
    """Everything that must hold in one clip.

    Attributes:
        ratio: reference leg length over that of each person: positions in the world are features over this.
        rest_joints: rest joints of each person's body (y up, metres); the reference body where None.
        pose_at, poses, pose_features: persons and frames of keyframes `(key, 2)`, their axis-angle poses and pelvis
            `(key, 25, 3)`, and their motion features.
        event_at, event_value: person, frame and class `(number, 3)` of numbers of the event channel, and the numbers.
    """

    persons: int
    frames: int
    fps: float
    rows: Rows
    ratio: Float[Tensor, "person"]
    rest_joints: tuple[Float[Tensor, "24 3"] | None, ...]
    pose_at: Int[Tensor, "key 2"]
    poses: Float[Tensor, "key 25 3"]
    pose_features: Float[Tensor, "key 201"]
    event_at: Int[Tensor, "number 3"]
    event_value: Float[Tensor, "number"]


def compile_constraints(
    asked: Sequence[Constraint],
    *,
    persons: int,
    frames: int,
    fps: float | int = 20.0,
    rest_joints: Sequence[Float[Tensor, "24 3"] | None] | None = None,
    floor_plan: Sequence[tuple[float | int, float | int]] | None = None,
    canonical: bool = True,
) -> ClipConstraints:
    """Check constraints of one clip and write them as equations.

    Args:
        rest_joints: of each person's body (y up, metres); None is the reference body.
        floor_plan: corners of the room in the model's world, to refuse places outside.
        canonical: also hold the pelvis of person 0 at x = y = 0 in the first frame, as the model's world has it, where
            nothing else is asked of it there.

    Raises:
        UserError: for a constraint that cannot be met, or two that contradict each other, by name.
    """
    fps = float(fps)
    bodies = tuple(rest_joints) if rest_joints is not None else (None,) * persons
    if len(bodies) != persons:
        raise UserError(f"Expected one body for each of {persons} persons, but got {len(bodies)}. Name every body.")
    for each in asked:
        check_constraint(each, persons=persons, seconds=frames / fps, floor_plan=floor_plan)
    table = _Table(frames, fps)
    for each in asked:
        table.add(each)
    keys = _keyframes([each for each in asked if isinstance(each, Keyframe)], table, bodies)
    at_start = {(p, f) for p, f, j, _ in (k for line in table.lines for k in line[0]) if j == 0}
    if canonical and (0, 0) not in at_start and (0, 0) not in keys:
        for axis in (0, 1):
            table.lines.append(({(0, 0, 0, axis): 1.0}, 0.0, "start of person 0 at (0, 0)"))
    ratio = torch.stack([leg_ratio(body).double() for body in bodies])
    lines = _without_keyframes(table.lines, keys, ratio)
    events, values = _events([each for each in asked if isinstance(each, EventSpan)], table)
    return ClipConstraints(
        persons,
        frames,
        fps,
        _independent(lines),
        ratio,
        bodies,
        torch.tensor(list(keys), dtype=torch.long).reshape(-1, 2),
        torch.stack([pose for _, pose, _ in keys.values()]) if keys else torch.zeros(0, 25, 3, dtype=torch.float64),
        torch.stack([feature for _, _, feature in keys.values()])
        if keys
        else torch.zeros(0, MOTION_FEATURES, dtype=torch.float64),
        events,
        values,
    )


# (person, frame, joint, axis) -> coefficient; value; name
_Line = tuple[dict[tuple[int, int, int, int], float], float, str]
_Keys = dict[tuple[int, int], tuple[str, Tensor, Tensor]]


class _Table:
    """Equations as they are asked for, in frames."""

    def __init__(self, frames: int, fps: float) -> None:
        self.frames, self.fps = frames, fps
        self.lines: list[_Line] = []

    def frame(self, time_s: float | int) -> int:
        # A clip of n frames lasts n / fps; its very end counts for the last frame.
        return min(round(time_s * self.fps), self.frames - 1)

    def add(self, asked: Constraint) -> None:
        """Add the equations of one constraint; keyframes and events have none."""
        match asked:
            case RootPoint():
                self._place(asked.person, self.frame(asked.time_s), 0, (asked.x, asked.y, None), str(asked))
            case RootPath():
                first, last = self.frame(asked.start_s), self.frame(asked.end_s)
                points = np.asarray(asked.points, dtype=float)
                at = np.linspace(0, len(points) - 1, last - first + 1)
                x, y = (np.interp(at, np.arange(len(points)), points[:, axis]) for axis in (0, 1))
                for frame in range(first, last + 1):
                    place = (float(x[frame - first]), float(y[frame - first]), None)
                    self._place(asked.person, frame, 0, place, f"{asked}, frame {frame}")
            case PelvisHeight():
                self._place(asked.person, self.frame(asked.time_s), 0, (None, None, asked.z), str(asked))
            case JointTarget():
                place = (asked.x, asked.y, asked.z)
                self._place(asked.person, self.frame(asked.time_s), JOINT[asked.joint], place, str(asked))
            case JointMeeting():
                frame = self.frame(asked.time_s)
                for axis, offset in enumerate(asked.offset):
                    ends = {
                        (asked.person, frame, JOINT[asked.joint], axis): 1.0,
                        (asked.other, frame, JOINT[asked.other_joint], axis): -1.0,
                    }
                    self.lines.append((ends, float(offset), str(asked)))
            case RootVelocity():
                for frame in range(self.frame(asked.start_s), self.frame(asked.end_s)):
                    for axis, speed in enumerate((asked.vx, asked.vy)):
                        ends = {(asked.person, frame + 1, 0, axis): 1.0, (asked.person, frame, 0, axis): -1.0}
                        self.lines.append((ends, speed / self.fps, f"{asked}, frame {frame}"))
            case Keyframe() | EventSpan():
                pass

    def _place(self, person: int, frame: int, joint: int, place: tuple[float | int | None, ...], label: str) -> None:
        for axis, value in enumerate(place):
            if value is not None:
                self.lines.append(({(person, frame, joint, axis): 1.0}, float(value), label))


def _keyframes(asked: Sequence[Keyframe], table: _Table, bodies: tuple[Tensor | None, ...]) -> _Keys:
    keys: _Keys = {}
    for each in asked:
        poses, trans = (torch.as_tensor(np.asarray(part, dtype=float)) for part in (each.poses, each.trans))
        label = torch.full((1,), -1)
        features = encode_motion(poses[None], trans[None], label, bodies[each.person])[0, :MOTION_FEATURES]
        place = (each.person, table.frame(each.time_s))
        before = keys.get(place)
        if before is not None and not torch.allclose(before[2], features, atol=SAME_M):
            raise UserError(
                f"Expected one pose of a person in a frame, but got two that differ: the {before[0]} and the {each}. "
                "Leave one out, or move it by a frame."
            )
        keys[place] = (str(each), torch.cat((poses, trans[None])), features)
    return keys


def _without_keyframes(lines: list[_Line], keys: _Keys, ratio: Float[Tensor, "person"]) -> list[_Line]:
    """Equations with what keyframes fix already moved to the right side."""
    if not keys:
        return lines
    fixed = {place: features_to_joints(features) for place, (_, _, features) in keys.items()}
    kept: list[_Line] = []
    for entries, value, label in lines:
        free = dict(entries)
        slack, names = 0.0, []
        for (person, frame, joint, axis), coef in entries.items():
            joints = fixed.get((person, frame))
            if joints is None:
                continue
            del free[person, frame, joint, axis]
            names.append(keys[person, frame][0])
            value -= coef * float(_world(joints, ratio[person])[joint, axis])
            plain = joint == 0 or abs(float(ratio[person]) - 1) < 1e-6
            slack = max(slack, _SAME_AS_KEYFRAME_M if plain else _SAME_AS_SCALED_KEYFRAME_M)
        if free:
            kept.append((free, value, label))
        elif abs(value) > slack:
            raise UserError(
                f"Expected constraints that agree, but the {label} contradicts the {names[0]} by {abs(value):.3f} m. "
                "Leave one out, or move it by a frame."
            )
    return kept


def _world(joints: Float[Tensor, "22 3"], ratio: Float[Tensor, ""]) -> Float[Tensor, "22 3"]:
    """Joints of the features of a body whose legs are 1 / ratio of the reference, roughly, in the world."""
    planar = joints[:1, :2] + (joints[:, :2] - joints[:1, :2]) / ratio
    return torch.cat((planar, joints[:, 2:] / ratio), dim=-1)


def _independent(lines: list[_Line]) -> Rows:
    """Equations as tensors, with those left out that follow from the others.

    A Cholesky factor of A A^T, row by row: a row without a remainder is a combination of earlier rows, and must have
    their combined value.

    Raises:
        UserError: naming a contradictory equation and the one that weighs most against it.
    """
    columns: dict[tuple[int, int, int, int], int] = {}
    for entries, _, _ in lines:
        for place in entries:
            columns.setdefault(place, len(columns))
    matrix = np.zeros((len(lines), len(columns)))
    for index, (entries, _, _) in enumerate(lines):
        for place, coef in entries.items():
            matrix[index, columns[place]] += coef
    basis, kept = np.zeros((0, len(columns))), []
    owners = np.zeros((0, len(lines)))  # each basis vector as a combination of equations
    values = np.array([value for _, value, _ in lines])
    # Equations that touch their own columns alone are independent of all others; most are.
    touched = (matrix != 0).sum(axis=0)
    for index, line in enumerate(matrix):
        if (touched[line != 0] == 1).any():
            kept.append(index)
            continue
        rest, owner = line.copy(), np.zeros(len(lines))
        owner[index] = 1.0
        for _ in range(2):  # twice is enough (Kahan; Parlett 1980, "The symmetric eigenvalue problem")
            weight = basis @ rest
            rest, owner = rest - weight @ basis, owner - weight @ owners
        length = float(np.linalg.norm(rest))
        if length > _PIVOT * max(1.0, float(np.linalg.norm(line))):
            basis, owners = np.vstack((basis, rest / length)), np.vstack((owners, owner / length))
            kept.append(index)
        elif abs(owner @ values) > SAME_M:
            against = owner.copy()
            against[index] = 0
            other = lines[int(np.abs(against).argmax())][2]
            raise UserError(
                f"Expected constraints that agree, but the {lines[index][2]} contradicts the {other} "
                f"by {abs(owner @ values):.3f} m. Leave one out, or move it to another time."
            )
    entries = [(row, *place, coef) for row, index in enumerate(kept) for place, coef in lines[index][0].items()]
    whole = torch.tensor([entry[:5] for entry in entries], dtype=torch.long).reshape(-1, 5)
    return Rows(
        *whole.unbind(1),
        coef=torch.tensor([entry[5] for entry in entries], dtype=torch.float64),
        value=torch.tensor([lines[index][1] for index in kept], dtype=torch.float64),
        label=tuple(lines[index][2] for index in kept),
    )


def _events(asked: Sequence[EventSpan], table: _Table) -> tuple[Int[Tensor, "number 3"], Float[Tensor, "number"]]:
    numbers: dict[tuple[int, int, int], tuple[float, str]] = {}

    def put(person: int, frame: int, kind: int, value: float, name: str) -> None:
        before = numbers.setdefault((person, frame, kind), (value, name))
        if before[0] != value:
            raise UserError(
                f"Expected event times that agree, but the {name} contradicts the {before[1]} in frame {frame}. "
                "Move one of them."
            )

    for each in asked:
        kind, first = OMNIFALL16.index(each.label), table.frame(each.start_s)
        end_s = each.start_s + each.hold_s if each.end_s is None else each.end_s
        last = min(max(round(end_s * table.fps), first + 1), table.frames)
        for frame in range(first, last):
            for other in range(EVENT_CLASSES):
                put(each.person, frame, other, float(other == kind), str(each))
        # Another event of the same label may come earlier; the label is absent only since then.
        spans = [other for other in asked if other.person == each.person and other.label == each.label]
        ends = [o.start_s + o.hold_s if o.end_s is None else o.end_s for o in spans if o.start_s < each.start_s]
        since = min(round(max(ends, default=0.0) * table.fps), first)
        for frame in range(since, first):
            put(each.person, frame, kind, 0.0, str(each))
        if each.before is not None and first > 0:
            for other in range(EVENT_CLASSES):
                put(each.person, first - 1, other, float(other == OMNIFALL16.index(each.before)), str(each))
        later = [round(o.start_s * table.fps) for o in spans if o.start_s > each.start_s]
        if each.end_s is not None:
            for frame in range(last, min([*later, table.frames])):
                put(each.person, frame, kind, 0.0, str(each))
    at = torch.tensor(list(numbers), dtype=torch.long).reshape(-1, 3)
    return at, torch.tensor([value for value, _ in numbers.values()], dtype=torch.float64)
