"""Chairs, wheelchairs and toilets: sitting down, sitting, getting up."""

from dataclasses import replace
from typing import Any, Final

import numpy as np

from carescene.scenes.furniture import default_object, seat_surface
from carescene.scenes.scene import SceneObject, object_to_world
from carescene.simulation.cast import Cast
from carescene.simulation.controlled_script import Script
from carescene.simulation.key_postures import at, feet_at, half_up, rise_from_seat, sit, stand
from carescene.simulation.keyframing import Key
from carescene.simulation.postures import Posture, facing, leftwards

_NAMES: Final = {"chair": "chair", "wheelchair": "wheelchair", "toilet": "toilet", "recliner": "recliner"}


def draw_seat(rng: np.random.Generator, kind: str) -> SceneObject:
    """A seat of drawn height whose front edge is above the origin; who sits on it looks along +y."""
    params: dict[str, Any] = {}
    if kind == "chair":
        params = {"seat_height_m": round(float(rng.uniform(0.42, 0.50)), 3), "arms": bool(rng.random() < 0.65)}
    elif kind == "wheelchair":
        params = {"seat_height_m": round(float(rng.uniform(0.46, 0.53)), 3), "footrests": bool(rng.random() < 0.5)}
    elif kind == "toilet":
        params = {"seat_height_m": round(float(rng.uniform(0.40, 0.50)), 3), "arms": bool(rng.random() < 0.5)}
    else:
        params = {"seat_height_m": round(float(rng.uniform(0.43, 0.52)), 3)}
    thing = default_object(kind, f"{kind}-1", x=0.0, y=0.0, **params)
    edge = seat_surface(thing).front[1]
    return replace(thing, center=(0.0, -float(edge), thing.center[2]))


def armrests(thing: SceneObject) -> dict[str, np.ndarray]:
    """Where hands rest on the arms of a seat, near their front; empty without arms."""
    seat = seat_surface(thing)
    if thing.kind == "chair" and thing.params.get("arms", True):
        x, up, back = thing.size[0] / 2 - 0.03, min(0.21, thing.size[2] - 0.05 - seat.height) + 0.015, 0.10
    elif thing.kind == "wheelchair":
        x, up, back = 0.235, 0.2375, 0.12
    elif thing.kind == "recliner":
        x, up, back = thing.size[0] / 2 - 0.05, 0.225, 0.10
    elif thing.kind == "toilet" and thing.params.get("arms", False):
        x, up, back = thing.size[0] / 2 - 0.02, 0.276, 0.10
    else:
        return {}
    rests = {}
    for side, sign in (("left", -1.0), ("right", 1.0)):
        local = (sign * x, float(seat.front[1]) - back, float(seat.front[2]) + up)
        rests[f"{side}_hand"] = np.array(object_to_world(thing, local)) + np.array([0.0, 0.0, 0.005])
    return rests


class SeatPlan:
    """Postures of one person at one seat that looks along +y, its front edge above the origin."""

    def __init__(self, cast: Cast, rng: np.random.Generator, thing: SceneObject) -> None:
        self.cast, self.thing = cast, thing
        self.height = seat_surface(thing).height
        self.edge, self.yaw = at(0, 0), 0.0
        depth = seat_surface(thing).depth
        self.deep = float(np.clip(depth - cast.anatomy.back - 0.055, 0.16, 0.32))
        self.feet = feet_at(
            cast.anatomy,
            at(rng.uniform(-0.03, 0.03), rng.uniform(0.06, 0.12) + (0.11 if thing.kind == "recliner" else 0.0)),
            0.0,
            width=0.22,
        )
        self.rests = armrests(thing)
        self.uses_arms = bool(self.rests) and rng.random() < 0.5 + 0.4 * (cast.pace > 1.3)

    def sitting(self, lean: float | int = 2.0) -> Posture:
        """Leaned back or upright, feet before the seat, hands on armrests or thighs."""
        held = self.thing.kind == "wheelchair" and bool(self.thing.params.get("footrests", True))
        posture = sit(
            self.cast, self.edge, self.yaw, self.height, inset=self.deep, lean=lean, feet=None if held else self.feet
        )
        if held:
            toe = self.thing.size[1] / 2 + self.thing.center[1] - 0.13
            feet = feet_at(self.cast.anatomy, at(0, toe - 0.06), 0.0, width=0.24)
            posture = posture.holding(**{name: points + np.array([0, 0, 0.135]) for name, points in feet.items()})
        return posture.holding(**self.rests) if self.uses_arms and lean < 25 else posture

    def perched(self, lean: float | int = 28.0) -> Posture:
        """At the front of the seat, feet back under the knees, leaned forwards: before rising, after touching down."""
        posture = sit(
            self.cast, self.edge, self.yaw, self.height, inset=min(self.deep, 0.18), lean=lean, feet=self.feet
        )
        return posture.holding(**(self.rests if self.uses_arms else {"left_hand": None, "right_hand": None}))

    def off_seat(self) -> Posture:
        """The moment the seat is left or reached."""
        posture = rise_from_seat(self.perched(), self.cast, self.feet)
        return posture.holding(**self.rests) if self.uses_arms else posture

    def standing(self) -> Posture:
        """On the same feet as while sitting."""
        middle = 0.5 * (self.feet["left_foot"][0] + self.feet["right_foot"][0])[:2]
        return stand(self.cast, middle, self.yaw).holding(**self.feet)

    def rise(self, slow: float | int, label: str = "stand_up") -> list[Key]:
        """Keys from sitting to standing."""
        standing = self.standing()
        return [
            Key(self.perched(), 0.75 * slow, label, lift=0.03),
            Key(self.off_seat(), 0.45 * slow, label, via=True),
            Key(half_up(self.cast, self.off_seat(), standing), 0.45 * slow, label, via=True),
            Key(standing, 0.65 * slow, label),
        ]

    def lower(self, slow: float | int) -> list[Key]:
        """Keys from standing to sitting."""
        standing = self.standing()
        return [
            Key(half_up(self.cast, self.off_seat(), standing), 0.75 * slow, "sit_down", via=True),
            Key(self.off_seat(), 0.45 * slow, "sit_down", via=True),
            Key(self.perched(10.0), 0.45 * slow, "sit_down", via=True),
            Key(self.sitting(), 0.75 * slow, "sit_down", lift=0.03),
        ]


def chair_rise(cast: Cast, rng: np.random.Generator) -> Script:
    """Gets up from a chair and stays standing."""
    kind = str(rng.choice(["chair", "chair", "recliner", "wheelchair"]))
    plan = SeatPlan(cast, rng, draw_seat(rng, kind))
    keys = [
        Key(plan.sitting(), 0, "sitting", hold=rng.uniform(0.5, 2.0)),
        *plan.rise(cast.pace * rng.uniform(0.85, 1.15)),
    ]
    keys[-1] = replace(keys[-1], hold=rng.uniform(0.8, 2.0), hold_label="standing")
    name = _NAMES[kind]
    says = [
        f"{{who}} gets up from a {name}",
        f"{{who}} rises from the {name} and stands",
        f"{{who}} sits in a {name} and then stands up",
        f"{{who}} pushes up from the {name}" if plan.uses_arms else f"{{who}} stands up from the {name} without hands",
    ]
    return Script(keys, says, [plan.thing], main=(0, len(keys) - 1), event_label="stand_up")


def chair_sit(cast: Cast, rng: np.random.Generator, *, fast: bool = False) -> Script:
    """Stands before a chair and sits down; `fast` lets go in the last part (plop)."""
    kind = str(rng.choice(["chair", "chair", "recliner", "wheelchair"]))
    plan = SeatPlan(cast, rng, draw_seat(rng, kind))
    plan.uses_arms = plan.uses_arms and not fast
    slow = cast.pace * rng.uniform(0.85, 1.15) if not fast else rng.uniform(0.28, 0.40)
    keys = [
        Key(plan.standing(), 0, "standing", hold=rng.uniform(0.5, 1.4)),
        *plan.lower(slow),
    ]
    keys[-1] = replace(keys[-1], hold=rng.uniform(1.0, 2.5), hold_label="sitting")
    name = _NAMES[kind]
    says = [
        f"{{who}} sits down on a {name}",
        f"{{who}} stands before a {name} and sits down",
        f"{{who}} takes a seat in the {name}",
        f"{{who}} lowers {{their}} body into the {name}",
    ]
    if fast:
        says = [
            f"{{who}} plops down into a {name}",
            f"{{who}} drops onto the {name} in one go",
            f"{{who}} sits down hard on a {name}",
            f"{{who}} lets go and falls back into the {name}, sitting",
        ]
    return Script(keys, says, [plan.thing], main=(0, len(keys) - 1), event_label="sit_down")


def plop_sit(cast: Cast, rng: np.random.Generator) -> Script:
    """Sits down so fast that it looks like a fall."""
    return chair_sit(cast, rng, fast=True)


def toilet_transfer(cast: Cast, rng: np.random.Generator) -> Script:
    """Sits down on a toilet and gets up again."""
    plan = SeatPlan(cast, rng, draw_seat(rng, "toilet"))
    slow = cast.pace * rng.uniform(0.8, 1.0)
    keys = [Key(plan.standing(), 0, "standing", hold=0.4), *plan.lower(slow)]
    keys[-1] = replace(keys[-1], hold=rng.uniform(0.8, 1.8), hold_label="sitting")
    keys += plan.rise(slow)
    keys[-1] = replace(keys[-1], hold=0.6, hold_label="standing")
    says = [
        "{who} sits down on the toilet and gets up again",
        "{who} uses the toilet: sits down, then rises",
        "{who} lowers {their} body onto a toilet and stands up after a moment",
    ]
    return Script(keys, says, [plan.thing], event_label="sit_down")


def _resting(cast: Cast, rng: np.random.Generator, kind: str, name: str) -> Script:
    plan = SeatPlan(cast, rng, draw_seat(rng, kind))
    first, keys = plan.sitting(rng.uniform(-2, 6)), []
    keys.append(Key(first, 0, "sitting", hold=rng.uniform(1.0, 2.2)))
    for _ in range(int(rng.integers(1, 4))):
        posture = plan.sitting(float(rng.uniform(-3, 12)))
        side, bend = rng.uniform(-5, 5), posture.trunk[0]
        look = rng.uniform(-40, 40)
        posture = replace(
            posture, trunk=(bend, side, 0.25 * look), neck=(posture.neck[0] + rng.uniform(-6, 14), 0.0, look)
        )
        if rng.random() < 0.4:
            hand = str(rng.choice(["left_hand", "right_hand"]))
            sign = 1.0 if hand[0] == "l" else -1.0
            forward, left = facing(plan.yaw), leftwards(plan.yaw)
            lap = posture.pelvis + 0.26 * forward + 0.03 * sign * left + np.array([0, 0, 0.11])
            posture = posture.holding(**{hand: lap})
        keys.append(Key(posture, rng.uniform(0.7, 1.4) * cast.pace, "sitting", hold=rng.uniform(0.5, 1.6), lift=0.0))
    says = [
        f"{{who}} sits in a {name}",
        f"{{who}} is sitting quietly in the {name}",
        f"{{who}} sits in the {name} and looks around",
        f"{{who}} rests in a {name}",
    ]
    return Script(keys, says, [plan.thing], event_label="sitting")


def seated_chair(cast: Cast, rng: np.random.Generator) -> Script:
    """Sits in a chair or recliner, with small shifts of posture and gaze."""
    kind = str(rng.choice(["chair", "recliner"]))
    return _resting(cast, rng, kind, kind)


def seated_wheelchair(cast: Cast, rng: np.random.Generator) -> Script:
    """Sits in a wheelchair that stands still."""
    return _resting(cast, rng, "wheelchair", "wheelchair")
