"""People for tests of encounters: a made-up gait, and clips of somebody who stands, walks, or lies."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from carescene.clips import Clip, Event, PersonInfo
from carescene.clips.taxonomy import OMNIFALL_ID
from carescene.encounters.gait import Gait
from carescene.encounters.walking import Body, walk_along
from carescene.humans.reference import reference_rest_joints
from carescene.humans.skeleton import JOINT
from carescene.humans.skin_points import load_skin_points
from carescene.scenes import Scene, bed_surface, default_object
from carescene.scenes.scene import SceneObject

HALL = [(0.0, 0.0), (6.0, 0.0), (6.0, 5.0), (0.0, 5.0)]
ARMS_DOWN = {"left_shoulder": (0.0, 0.0, -1.3), "right_shoulder": (0.0, 0.0, 1.3)}


def hall(*things: SceneObject) -> Scene:
    """A hall of 6 x 5 m with a door in the wall y = 0, at x = 1.5."""
    door = default_object("door", "door-1", x=1.5, y=0.0675)
    return Scene("hall", HALL, objects=[door, *things])


def upright() -> np.ndarray:
    """Local rotations of somebody who stands with hanging arms and looks along +x."""
    turns = np.tile(np.eye(3), (24, 1, 1))
    # Rest: y up, facing +z. World: z up, facing +x.
    turns[0] = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    for name, turn in ARMS_DOWN.items():
        turns[JOINT[name]] = Rotation.from_rotvec(turn).as_matrix()
    return turns


def standing_height() -> float:
    """Of the pelvis over the floor, with the soles on it."""
    vectors = Rotation.from_matrix(upright()).as_rotvec()[None]
    points = load_skin_points().of_person(vectors, np.zeros((1, 3)), np.zeros(10))
    return -float(points[..., 2].min())


def reference_body() -> Body:
    """The bundled body at betas 0."""
    rest = reference_rest_joints().double().numpy()
    return Body(np.zeros(10), rest, upright(), standing_height())


def made_gait(speed: float = 1.2, seconds: float = 1.1) -> Gait:
    """Legs that swing like scissors, knees that bend in the swing; each foot stands while its leg swings back."""
    frames = 22
    phase = 2 * np.pi * np.arange(frames) / frames
    turns = np.tile(upright(), (frames, 1, 1, 1))
    swing = np.arcsin(speed * seconds / 4 / 0.85)
    stands = np.zeros((frames, 2), bool)
    for side, (name, shift) in enumerate((("left", 0.0), ("right", np.pi))):
        forward = swing * np.cos(phase + shift)
        # A little longer on the floor than in the air, as in every walk.
        back = np.sin(phase + shift) > -0.3
        bend = np.where(back, 0.05, 1.1 * (np.sin(phase + shift) + 0.3) ** 2 + 0.05)
        for joint, angle in ((f"{name}_hip", -forward - bend / 2), (f"{name}_knee", bend)):
            turns[:, JOINT[joint]] = Rotation.from_rotvec(np.stack([angle, 0 * angle, 0 * angle], axis=1)).as_matrix()
        stands[:, side] = back
    offset = np.zeros((frames, 3))
    offset[:, 2] = standing_height() - 0.02 + 0.01 * np.cos(2 * phase)
    return Gait(turns, offset, stands, speed, frames / seconds, reference_body().leg)


def as_clip(name: str, rotations: np.ndarray, trans: np.ndarray, label: str) -> Clip:
    frames = len(trans)
    vectors = Rotation.from_matrix(rotations.reshape(-1, 3, 3)).as_rotvec().reshape(1, frames, 24, 3)
    return Clip(
        id=name,
        fps=20.0,
        poses=vectors.astype(np.float32),
        trans=trans[None].astype(np.float32),
        betas=np.zeros((1, 10), np.float32),
        frame_label=np.full((1, frames), OMNIFALL_ID[label], np.int8),
        valid=np.ones((1, frames), bool),
        text=[f"A patient is seen in {name}."],
        persons=[PersonInfo("patient", 80.0, 1.7, "male")],
        attributes={"action": label, "class": label},
    )


def stander(x: float, y: float, frames: int = 60, name: str = "standing") -> Clip:
    """Stands and looks along +x."""
    spot = np.tile([x, y, standing_height()], (frames, 1))
    return as_clip(name, np.tile(upright(), (frames, 1, 1, 1)), spot, "standing")


def walker(length: float = 4.0, x: float = 1.0, y: float = 2.5, name: str = "walk") -> Clip:
    """Walks along +x."""
    path = np.stack([np.linspace(x, x + length, 200), np.full(200, y)], axis=1)
    walk = walk_along(path, made_gait(), reference_body(), stop=False)
    return as_clip(name, walk.rotations, walk.trans, "walk")


def lying_pose() -> np.ndarray:
    turns = upright()
    # On the back: the front of the body looks up, the head towards -y.
    turns[0] = np.array([[-1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, 1.0]])
    return turns


def lier(x: float, y: float, z: float = 0.0, label: str = "fallen", frames: int = 60) -> Clip:
    """Lies on the back at a height, the feet towards +y; whoever has fallen did so in the first second."""
    vectors = Rotation.from_matrix(lying_pose()).as_rotvec()[None]
    lowest = float(load_skin_points().of_person(vectors, np.zeros((1, 3)), np.zeros(10))[..., 2].min())
    spot = np.tile([x, y, z - lowest], (frames, 1))
    clip = as_clip("lying", np.tile(lying_pose(), (frames, 1, 1, 1)), spot, label)
    if label == "fallen":
        clip.events = [Event(0, "fall", 0.0, 1.0, ward_event="fall_slip"), Event(0, "fallen", 1.0, frames / 20)]
        clip.attributes["action"] = "fall_slip"
        clip.text = ["An old man slips and falls."]
    return clip


def bed_and_lier(x: float = 3.5, y: float = 1.3) -> tuple[Scene, Clip]:
    """Somebody in a bed whose head is at the wall y = 0."""
    bed = default_object("bed", "bed-1", x=x, y=y, rails="none", pillow=False)
    clip = lier(x, y + 0.05, bed_surface(bed).height - 0.004, "lying")
    return hall(bed), clip


@pytest.fixture
def people() -> SimpleNamespace:
    """All of the above."""
    return SimpleNamespace(
        HALL=HALL,
        bed_and_lier=bed_and_lier,
        hall=hall,
        lier=lier,
        made_gait=made_gait,
        reference_body=reference_body,
        stander=stander,
        upright=upright,
        walker=walker,
    )
