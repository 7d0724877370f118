"""BVH (Biovision hierarchy) files: any channel order, with or without position channels on inner joints."""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from carescene.errors import UserError
from carescene.humans.source_motion import Y_UP_TO_Z_UP, SourceMotion

_ROTATIONS = {"xrotation": "X", "yrotation": "Y", "zrotation": "Z"}
_POSITIONS = {"xposition": 0, "yposition": 1, "zposition": 2}


@dataclass
class _Joint:
    name: str
    parent: int
    offset: tuple[float, float, float] | None = None
    channels: list[str] = field(default_factory=list)


class _Lines:
    """The file's lines with their numbers, so that every complaint can say where."""

    def __init__(self, text: str, name: str) -> None:
        self.name = name
        self.lines = text.splitlines()
        self.number = 0

    def next(self, expected: str) -> list[str]:
        while self.number < len(self.lines):
            self.number += 1
            words = self.lines[self.number - 1].split()
            if words:
                return words
        raise UserError(
            f"Expected {expected} in {self.name}, but the file ends at line {len(self.lines)}. "
            "It is truncated; copy or unpack it again."
        )

    def error(self, expected: str, got: str, cause: str) -> UserError:
        return UserError(f"Expected {expected} in line {self.number} of {self.name}, but got {got!r}. {cause}")


def read_bvh(text: str, name: str, metres_per_unit: float = 0.01) -> SourceMotion:
    """Read a y-up BVH file.

    Joints that have position channels are placed by them; the others by their OFFSET. Position channels of inner
    joints must be constant over the take (they are bone lengths there), except below a root that never moves, where
    the first joint that moves carries the body and takes over as the root.

    Args:
        text: the whole file.
        name: what to call it in messages.
        metres_per_unit: BVH states no unit; centimetres are the custom.

    Raises:
        UserError: names the line and what is wrong with it.
    """
    lines = _Lines(text, name)
    joints = _read_hierarchy(lines)
    values, frame_time = _read_motion(lines, sum(len(joint.channels) for joint in joints))
    return _build(joints, values, frame_time, name, metres_per_unit)


def _read_hierarchy(lines: _Lines) -> list[_Joint]:
    words = lines.next("HIERARCHY")
    if words != ["HIERARCHY"]:
        raise lines.error("HIERARCHY", " ".join(words)[:60], "This is not a BVH file.")
    joints: list[_Joint] = []
    stack: list[int] = []  # indices of open joints; -1 stands for an End Site
    pending: int | None = None
    while True:
        words = lines.next("a joint, '}' or MOTION")
        keyword = words[0]
        if keyword in ("ROOT", "JOINT"):
            if len(words) < 2:
                raise lines.error("a joint name", " ".join(words), "The name is missing.")
            if (keyword == "ROOT") != (not stack):
                raise lines.error(
                    "one ROOT with JOINTs inside it", " ".join(words), "The braces before this line do not match."
                )
            pending = len(joints)
            joints.append(_Joint("_".join(words[1:]), stack[-1] if stack else -1))
        elif keyword == "End":
            pending = -1
        elif keyword == "{":
            if pending is None:
                raise lines.error("a joint before '{'", keyword, "There is one brace too many.")
            stack.append(pending)
            pending = None
        elif keyword == "}":
            if not stack:
                raise lines.error("MOTION", keyword, "There is one closing brace too many.")
            stack.pop()
        elif keyword == "OFFSET":
            offset = _floats(lines, words[1:], 3, "three numbers after OFFSET")
            if stack and stack[-1] >= 0:
                joints[stack[-1]].offset = (offset[0], offset[1], offset[2])
        elif keyword == "CHANNELS":
            _read_channels(lines, words, joints[stack[-1]] if stack and stack[-1] >= 0 else None)
        elif keyword == "MOTION":
            if stack or not joints:
                raise lines.error("a closed hierarchy before MOTION", keyword, f"{len(stack)} braces are still open.")
            return joints
        else:
            raise lines.error("ROOT, JOINT, End Site, OFFSET, CHANNELS or MOTION", keyword, "The line is damaged.")


def _read_channels(lines: _Lines, words: list[str], joint: _Joint | None) -> None:
    names = [word.lower() for word in words[2:]]
    if joint is None or len(words) < 2 or not words[1].isdigit() or int(words[1]) != len(names):
        raise lines.error(
            "CHANNELS, their number and as many names, inside a joint", " ".join(words), "The count does not match."
        )
    for channel in names:
        if channel not in _ROTATIONS and channel not in _POSITIONS:
            raise lines.error("X, Y or Z position or rotation channels", channel, "This channel is unknown.")
    joint.channels = names


def _floats(lines: _Lines, words: list[str], count: int, expected: str) -> list[float]:
    if len(words) != count:
        raise lines.error(expected, " ".join(words)[:60], f"{count} numbers belong there, {len(words)} stand there.")
    try:
        return [float(word) for word in words]
    except ValueError as error:
        raise lines.error(expected, " ".join(words)[:60], "One of the words is not a number.") from error


def _read_motion(lines: _Lines, channels: int) -> tuple[Float[np.ndarray, "frame channel"], float]:
    words = lines.next("Frames:")
    if words[0].lower() != "frames:" or len(words) != 2 or not words[1].isdigit():
        raise lines.error("'Frames:' and their number", " ".join(words)[:60], "The motion header is damaged.")
    frames = int(words[1])
    words = lines.next("Frame Time:")
    if [word.lower() for word in words[:2]] != ["frame", "time:"]:
        raise lines.error("'Frame Time:' and seconds", " ".join(words)[:60], "The motion header is damaged.")
    frame_time = _floats(lines, words[2:], 1, "the seconds of one frame")[0]
    if not 1e-4 < frame_time < 1.0:
        raise lines.error("a frame time between 0.0001 and 1 s", words[2], "The frame rate is not a motion's.")
    rows = []
    for frame in range(frames):
        words = lines.next(f"frame {frame + 1} of {frames}")
        rows.append(_floats(lines, words, channels, f"{channels} channel values"))
    return np.array(rows, dtype=np.float64).reshape(frames, channels), frame_time


def _build(
    joints: list[_Joint], values: Float[np.ndarray, "frame channel"], frame_time: float, name: str, unit: float
) -> SourceMotion:
    frames = len(values)
    rotations = np.tile(np.eye(3), (frames, len(joints), 1, 1))
    places = np.zeros((frames, len(joints), 3))
    column = 0
    for index, joint in enumerate(joints):
        block = values[:, column : column + len(joint.channels)]
        column += len(joint.channels)
        if joint.offset is not None:
            places[:, index] = np.array(joint.offset) * unit
        axes = ""
        angles = []
        for k, channel in enumerate(joint.channels):
            if channel in _POSITIONS:
                places[:, index, _POSITIONS[channel]] = block[:, k] * unit
            else:
                axes += _ROTATIONS[channel]
                angles.append(block[:, k])
        if axes and np.isfinite(values).all():
            # Channels are applied in the order they are listed, each about the axes the ones before have turned.
            rotations[:, index] = Rotation.from_euler(axes, np.stack(angles, -1), degrees=True).as_matrix()
    if not np.isfinite(values).all():
        frame = int(np.argwhere(~np.isfinite(values))[0, 0])
        raise UserError(
            f"Expected finite channel values in {name}, but frame {frame + 1} has NaN or infinity. "
            "The recording is damaged there; cut those frames out or leave the file out."
        )
    return _reroot(joints, rotations, places, np.arange(frames) * frame_time, name)


def _reroot(
    joints: list[_Joint],
    rotations: Float[np.ndarray, "frame joint 3 3"],
    places: Float[np.ndarray, "frame joint 3"],
    times: Float[np.ndarray, "frame"],
    name: str,
) -> SourceMotion:
    """Drop a chain of root joints that only hold the scene, and turn the world from y up to z up."""
    first = 0
    world, origin = rotations[:, 0], places[:, 0]
    while True:
        children = [index for index, joint in enumerate(joints) if joint.parent == first]
        # A bone has one length; what moves in its parent's frame is the body, and its parent only holds the scene.
        if len(children) != 1 or np.ptp(places[:, children[0]], axis=0).max() < 1e-6:
            break
        origin = origin + (world @ places[:, children[0], :, None])[..., 0]
        first = children[0]
        world = world @ rotations[:, first]
    kept = joints[first:]
    for index, joint in enumerate(kept[1:], start=first + 1):
        # Bones are rigid in our bodies; a reader that averaged stretching ones would hide it.
        if np.ptp(places[:, index], axis=0).max() > 5e-3:
            raise UserError(
                f"Expected bones of constant length in {name}, but joint {joint.name} moves in its parent's frame. "
                "Export the take with rigid bones."
            )
    local = rotations[:, first:].copy()
    local[:, 0] = Y_UP_TO_Z_UP @ world
    return SourceMotion(
        name=name,
        joint_names=tuple(joint.name for joint in kept),
        parents=tuple(-1 if k == 0 else joint.parent - first for k, joint in enumerate(kept)),
        rotations=local,
        trans=origin @ Y_UP_TO_Z_UP.T,
        offsets=np.median(places[:, first:], axis=0),
        times=times,
    )
