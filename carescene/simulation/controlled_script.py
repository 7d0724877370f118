"""From a script of key postures to a labelled clip in a bare room."""

import math
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from carescene.clips.clip import Clip, Event, Generator
from carescene.clips.taxonomy import OMNIFALL_ID
from carescene.humans.mirror import mirror_motion
from carescene.scenes.scene import Scene, SceneObject
from carescene.scenes.scene_files import scene_to_dict
from carescene.simulation.cast import Cast
from carescene.simulation.keyframing import FPS, Key, Motion, perform
from carescene.simulation.surfaces import surfaces_of

CONTROLLED_VERSION: Final = "controlled-2"
SHORTEST_S: Final = 3.0
LONGEST_S: Final = 9.5
_ROOM_M: Final = 8.0


@dataclass
class Script:
    """What happens: key postures, the furniture they touch, and the words that describe them.

    Attributes:
        keys: in the order of time.
        things: furniture in the script's own frame, floor at z = 0.
        says: sentences with {who}, {who_is}, {side}, {other} left open; two or more are used as captions.
        side: the person's side on which it happens, "left" or "right", or "" where there is none. Scripts are written
            for the left; `make_clip` mirrors them.
        attributes: of the clip beside those that every controlled clip has.
        main: first and last key of the ward event; the whole clip when None.
        event_label: OmniFall name of the event; the longest movement of the clip when None.
        liveliness_scale: more or less small motion than the person usually has.
        marks: names of attributes -> index of the key whose time they are.
    """

    keys: list[Key]
    says: list[str]
    things: list[SceneObject] = field(default_factory=list)
    side: str = ""
    attributes: dict[str, str] = field(default_factory=dict)
    main: tuple[int, int] | None = None
    event_label: str | None = None
    liveliness_scale: float = 1.0
    marks: dict[str, int] = field(default_factory=dict)


def fit_length(keys: list[Key]) -> list[Key]:
    """The keys with holds shortened, then all times, until they fit 9.5 s, or the last hold lengthened to 3 s."""
    moves = sum(float(key.seconds) for key in keys[1:])
    holds = sum(float(key.hold) for key in keys)
    if moves + holds > LONGEST_S:
        share = min(max((LONGEST_S - moves) / max(holds, 1e-9), 0.35), 1.0)
        keys = [replace(key, hold=key.hold * share) for key in keys]
        holds *= share
        quicker = min(1.0, (LONGEST_S - holds) / max(moves, 1e-9))
        keys = [replace(key, seconds=key.seconds * quicker) for key in keys]
    short = SHORTEST_S - sum(float(key.seconds) for key in keys[1:]) - sum(float(key.hold) for key in keys)
    if short > 0:
        keys = [*keys[:-1], replace(keys[-1], hold=keys[-1].hold + short)]
    return keys


def make_clip(script: Script, cast: Cast, ward_event: str | None, action: str, seed: int, rng) -> tuple[Clip, Motion]:
    """Perform a script and write everything about it into a clip; also the motion as solved, before it is placed."""
    keys = fit_length(script.keys)
    live = replace(
        cast.liveliness,
        sway_m=cast.liveliness.sway_m * script.liveliness_scale,
        unrest=cast.liveliness.unrest * script.liveliness_scale,
    )
    motion = perform(cast.anatomy, keys, surfaces_of(script.things), rng, live)
    seconds = len(motion.trans) / FPS
    span = (0.0, seconds)
    if script.main is not None:
        first, last = script.main
        # It begins when the rest of its first key is seen to end.
        span = (motion.departures[first], min(motion.arrivals[last], seconds))
        # Attributes that name a key are times: when that key is reached.
        times = {name: f"{motion.arrivals[key]:.2f}" for name, key in script.marks.items()}
        if script.marks:
            times["onset_s"] = f"{span[0]:.2f}"
        script = replace(script, attributes=script.attributes | times)
    return clip_of(script, cast, motion, span, ward_event, action, seed, rng), motion


def clip_of(
    script: Script,
    cast: Cast,
    motion: Motion,
    span: tuple[float, float],
    ward_event: str | None,
    action: str,
    seed: int,
    rng: np.random.Generator,
) -> Clip:
    """A solved motion as a clip: mirrored to the script's side, turned anyhow, with labels, words and a bare room."""
    poses = Rotation.from_matrix(motion.rotations.reshape(-1, 3, 3)).as_rotvec().reshape(-1, 24, 3)
    trans, things = motion.trans, script.things
    if script.side == "right":
        mirrored, moved = mirror_motion(torch.from_numpy(poses), torch.from_numpy(trans))
        poses, trans = mirrored.numpy(), moved.numpy()
        things = [_mirrored(thing) for thing in things]
    yaw, shift = float(rng.uniform(-math.pi, math.pi)), rng.uniform(-0.4, 0.4, 2)
    poses, trans, things = _turned(poses, trans, things, yaw, shift)
    labels = np.array([OMNIFALL_ID[label] for label in motion.labels], dtype=np.int8)
    start, end = span
    label = script.event_label or motion.labels[min(int((start + end) / 2 * FPS), len(labels) - 1)]
    attributes = {"action": action, "age_band": age_band(cast.info.age_years or 40.0), "activity": action}
    if script.side:
        attributes["side"] = script.side
    return Clip(
        id=f"controlled-{action}-{seed:07d}",
        fps=FPS,
        poses=poses[None].astype(np.float32),
        trans=trans[None].astype(np.float32),
        betas=cast.anatomy.betas[None].astype(np.float32),
        frame_label=labels[None],
        valid=np.ones((1, len(trans)), dtype=bool),
        text=_captions(script, cast, rng),
        persons=[cast.info],
        events=[
            Event(
                0,
                label,
                round(start, 3),
                round(max(end, start), 3),
                ward_event,
                script.attributes.get("cause"),
                script.attributes.get("direction"),
            )
        ],
        attributes=attributes | script.attributes,
        scene=scene_to_dict(bare_room(f"bare-{action}-{seed:07d}", things)),
        generator=Generator(CONTROLLED_VERSION, "", seed, "key postures and inverse kinematics", 0, 0.0),
    )


def bare_room(name: str, things: list[SceneObject]) -> Scene:
    """A square room of 8 x 8 m that holds only what is touched."""
    half = _ROOM_M / 2
    return Scene(id=name, polygon=[(-half, -half), (half, -half), (half, half), (-half, half)], objects=things)


def age_band(years: float | int) -> str:
    """`young` below 40, `middle` below 65, `old` below 80, else `very_old`."""
    bands = ((40, "young"), (65, "middle"), (80, "old"))
    return next((name for limit, name in bands if years < limit), "very_old")


def _mirrored(thing: SceneObject) -> SceneObject:
    x, y, z = thing.center
    return replace(thing, center=(-x, y, z), yaw=-thing.yaw)


def _turned(poses, trans, things, yaw, shift):
    turn = Rotation.from_euler("z", yaw)
    poses = poses.copy()
    poses[:, 0] = (turn * Rotation.from_rotvec(poses[:, 0])).as_rotvec()
    around = turn.as_matrix()
    offset = np.array([shift[0], shift[1], 0.0])
    moved = []
    for thing in things:
        center = around @ np.array(thing.center) + offset
        angle = math.atan2(math.sin(thing.yaw + yaw), math.cos(thing.yaw + yaw))
        moved.append(replace(thing, center=(float(center[0]), float(center[1]), float(center[2])), yaw=angle))
    return poses, trans @ around.T + offset, moved


def _captions(script: Script, cast: Cast, rng) -> list[str]:
    count = min(int(rng.integers(2, 5)), len(script.says))
    chosen = rng.permutation(len(script.says))[:count]
    words = {"side": script.side, "other": {"left": "right", "right": "left"}.get(script.side, "")}
    sentences = []
    for index in chosen:
        text = script.says[int(index)].format(who=_somebody(cast, rng), their=_their(cast), **words)
        sentences.append(text[0].upper() + text[1:] + ".")
    return list(dict.fromkeys(sentences))


def _their(cast: Cast) -> str:
    return {"female": "her", "male": "his"}.get(cast.info.sex, "their")


def _somebody(cast: Cast, rng) -> str:
    """An English subject that fits role, age and sex."""
    age, female = cast.info.age_years or 40.0, cast.info.sex == "female"
    person = "woman" if female else "man"
    if cast.info.role == "staff":
        names = ["a nurse", "a care worker", "a member of staff", f"a {'female' if female else 'male'} nurse"]
    elif cast.info.role == "patient":
        names = ["a patient", f"a {'female' if female else 'male'} patient"]
        names += [f"an old {person}", f"an elderly {person}", "an elderly patient"] if age >= 65 else [f"a {person}"]
    else:
        names = ["a person", f"a {person}"] + ([f"an old {person}"] if age >= 65 else [])
    return str(rng.choice(names))
