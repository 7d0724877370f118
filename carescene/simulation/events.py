"""What happens to a simulated person: pushes, slips, held feet, fading strength, reactions, rest."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from carescene.errors import UserError
from carescene.humans.skeleton import JOINT
from carescene.simulation.segments import GROUPS

Side = Literal["left", "right"]
Vector = tuple[float | int, float | int, float | int]


@dataclass(frozen=True)
class Push:
    """A force in newtons (world frame) on one body part, rising and falling like half a sine over its duration."""

    time_s: float | int
    duration_s: float | int
    joint: str
    force: Vector


@dataclass(frozen=True)
class FootFriction:
    """Friction of one foot (both if None) with all it stands on; 0.05 is ice, 0.8 a dry floor."""

    time_s: float | int
    duration_s: float | int
    side: Side | None
    friction: float | int


@dataclass(frozen=True)
class HeldFoot:
    """One foot is caught where it is: it can turn, but not move on."""

    time_s: float | int
    duration_s: float | int
    side: Side


@dataclass(frozen=True)
class RemoveFurniture:
    """A piece of furniture gives no support from now on."""

    time_s: float | int
    object_id: str


@dataclass(frozen=True)
class Stiffness:
    """The named joints or groups (`GROUPS`) go to this share of their stiffness and strength within the duration.

    0 is limp, 1 what the age allows, above 1 stiffer than usual. Later events win over earlier ones.
    """

    time_s: float | int
    duration_s: float | int
    share: float | int
    joints: tuple[str, ...] = ("all",)


@dataclass(frozen=True)
class Assistance:
    """The help that keeps the pelvis on the reference goes to this level (0 none, 1 full) within the duration."""

    time_s: float | int
    duration_s: float | int
    level: float | int


@dataclass(frozen=True)
class PoseTarget:
    """The named joints leave the reference for these axis-angle rotations (SMPL, local) within the duration.

    The joints stay there until a later `PoseTarget` takes them. `rotations` None: they stop where the reference has
    them at that time.
    """

    time_s: float | int
    duration_s: float | int
    joints: tuple[str, ...]
    rotations: tuple[Vector, ...] | None = None


@dataclass(frozen=True)
class Protect:
    """From this time the person reacts to its own fall: arms to the ground ahead of the fall, trunk and head curl.

    The age's delay (`reaction_delay`) comes on top of `time_s`. Each share is 0 (no reaction) to 1 (full).

    Attributes:
        arms: reach of both arms, or of the nearer one in a fall to the side, towards where the body will land.
        head: tuck of the chin in a fall backwards, lifting of the face in a fall forwards.
        trunk: curling of trunk and hips in a fall backwards, turning of the trunk towards the arms otherwise.
        legs: bending of the knees and hips on the way down.
        step: a quick step of the free leg under the falling body.
    """

    time_s: float | int
    arms: float | int = 1.0
    head: float | int = 1.0
    trunk: float | int = 1.0
    legs: float | int = 1.0
    step: float | int = 0.0


@dataclass(frozen=True)
class Settle:
    """After the body has come down the muscles let go to `share` within the duration, and it comes to rest.

    Attributes:
        delay_s: after the first contact of pelvis, trunk or head with the floor or furniture from `not_before_s` on.
            Somebody who lies still for over half a second counts as down, too.
        surface: "floor" waits for the floor, as for somebody who rolls out of bed; "any" takes furniture as well.
        share: of stiffness left; limbs find their own place.
        movement: size of small movements while lying: 0 none, 1 a restless person.
    """

    not_before_s: float | int
    surface: Literal["any", "floor"] = "any"
    delay_s: float | int = 0.25
    duration_s: float | int = 0.8
    share: float | int = 0.04
    movement: float | int = 0.0


Perturbation: TypeAlias = (
    Push | FootFriction | HeldFoot | RemoveFurniture | Stiffness | Assistance | PoseTarget | Protect | Settle
)


def check_events(events: list[Perturbation], object_ids: tuple[str, ...]) -> None:
    """Refuse events with unknown joints or furniture, or with impossible numbers.

    Raises:
        UserError: naming the event and the field.
    """
    for event in events:
        start = event.not_before_s if isinstance(event, Settle) else event.time_s
        _require(start >= 0, event, "a time from 0 s", start, "Times count from the first frame of the motion.")
        duration = getattr(event, "duration_s", 0.0)
        _require(duration >= 0, event, "a duration from 0 s", duration, "Give seconds.")
        if isinstance(event, Push):
            _require(event.joint in JOINT, event, "the name of an SMPL joint", event.joint, "See JOINT_NAMES.")
        if isinstance(event, Stiffness | PoseTarget):
            for name in event.joints:
                known = name in JOINT or name in GROUPS
                _require(known, event, "names of SMPL joints or of GROUPS", name, "See carescene.simulation.GROUPS.")
        if isinstance(event, PoseTarget) and event.rotations is not None:
            simple = all(name in JOINT for name in event.joints) and len(event.rotations) == len(event.joints)
            _require(simple, event, "one rotation for each named joint", len(event.rotations), "Groups have no order.")
        if isinstance(event, RemoveFurniture):
            known = event.object_id in object_ids
            _require(known, event, f"the id of one of {object_ids}", event.object_id, "Name furniture that is there.")
        for name in ("share", "level", "friction", "arms", "head", "trunk", "legs", "step", "movement"):
            value = getattr(event, name, 0.0)
            _require(0 <= value <= 5, event, f"`{name}` from 0 to 5", value, "0 is none and 1 is ordinary.")


def _require(condition: bool, event: Perturbation, expected: str, got: object, advice: str) -> None:
    if not condition:
        raise UserError(f"{type(event).__name__}: expected {expected}, but got {got}. {advice}")
