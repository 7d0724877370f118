"""Postures in and on a bed: on the back, on a side, half up, on its edge."""

from dataclasses import replace
from typing import Final

import numpy as np
from jaxtyping import Float

from carescene.scenes.furniture import BedSurface, bed_surface, default_object
from carescene.scenes.scene import SceneObject
from carescene.simulation.anatomy import SIDES, Anatomy
from carescene.simulation.cast import Cast
from carescene.simulation.key_postures import SINK, at, feet_at, place, reaches_floor, sit
from carescene.simulation.postures import Limbs, Posture

# From the head joint to the skin behind it, and how flat a head presses a pillow.
_SKULL: Final = 0.085
_PILLOW: Final = 0.055
_CHEST: Final = 0.105
# Beyond this backrest angle people sit up from the back, not by way of the side.
STEEP_DEG: Final = 18.0


def draw_bed(
    rng: np.random.Generator,
    *,
    low: float | int = 0.40,
    high: float | int = 0.65,
    rails: str | None = None,
    flat: bool = False,
):
    """A bed of drawn height and head angle with its box above the origin; feet point along +y."""
    angle = float(rng.uniform(15, 45)) if rng.random() < 0.5 and not flat else 0.0
    return default_object(
        "bed",
        "bed-1",
        x=0.0,
        y=0.0,
        mattress_height_m=round(float(rng.uniform(low, high)), 3),
        head_angle_deg=round(angle, 1),
        rails=rails or str(rng.choice(["none", "half"])),
    )


def stacked_legs(anatomy: Anatomy, height: float | int, lower: str) -> dict[str, np.ndarray]:
    """Heights at which ankles and knees of somebody rest who lies on the side `lower` at this height."""
    holds = {}
    for side in SIDES:
        knee, ankle = (0.07, 0.056) if side == lower else (anatomy.side + 0.03, 0.15)
        points = np.full((3, 3), np.nan)
        points[0, 2] = height + ankle
        holds[f"{side}_foot"] = points
        holds[f"{side}_knee"] = np.array([np.nan, np.nan, height + knee])
    return holds


class BedPlan:
    """Postures of one person on one bed whose feet point along +y; the person's left is -x, where they get out."""

    def __init__(self, cast: Cast, rng: np.random.Generator, thing: SceneObject) -> None:
        self.cast, self.rng, self.thing = cast, rng, thing
        self.bed: BedSurface = bed_surface(thing)
        self.down = thing.center[2]
        self.height = self.bed.height
        self.angle = float(np.degrees(self.bed.head_angle))
        self.hip_y = float(self.bed.hinge[1]) + 0.11 + rng.uniform(-0.02, 0.04)
        self.edge_x = -self.bed.width / 2

    def on_back_at(self, along: float | int, above: float | int, x: float | int) -> Float[np.ndarray, "3"]:
        """A point `along` metres from the pelvis towards the head, `above` the lying surface."""
        from_foot = float(self.bed.foot[1]) - self.hip_y + along
        point, normal = self.bed.at(from_foot)
        return point + normal * above + np.array([x, 0.0, self.down])

    def supine(
        self, *, x: float | int = 0.0, knees: tuple = (4.0, 4.0), arms: float | int = 0.0, look: float | int = 0.0
    ) -> Posture:
        """On the back, head on the pillow.

        Args:
            knees: flexion of each in degrees, the feet on the mattress.
            arms: 0 beside the body to 1 on the belly.
        """
        anatomy = self.cast.anatomy
        rest = anatomy.rest
        chest, head = float(rest[9, 1]), float(rest[15, 1])
        fold = 0.5 * self.angle
        # Legs drawn up: with a knee bent by k the foot stands flat when the hip bends by about half of it.
        hip = tuple(0.52 * k + fold for k in knees)
        pelvis = np.array([x, self.hip_y, self.height + anatomy.back - SINK])
        pillow = _PILLOW if self.bed.pillow is not None else 0.0
        hands = {}
        for side, sign in (("left", -1.0), ("right", 1.0)):
            beside = pelvis + np.array([sign * (anatomy.side + 0.10), 0.10, 0.0])
            beside[2] = self.height + 0.035
            on_belly = pelvis + np.array([sign * 0.06, -0.14, anatomy.belly + 0.05])
            hands[f"{side}_hand"] = beside + (on_belly - beside) * arms
        posture = Posture(
            soft=("pelvis",),
            pelvis=pelvis,
            pitch=-90 + self.angle - fold,
            trunk=(0.8 * fold, 0.0, 0.0),
            neck=(8 + 0.2 * fold, 0.0, look),
            limbs=Limbs(
                hip=hip,
                hip_out=5,
                hip_turn=tuple(14 - 0.12 * k for k in knees),
                knee=knees,
                ankle=-14,
                arm=-4 + 30 * arms,
                arm_out=16,
                arm_turn=-20,
                elbow=14 + 70 * arms,
            ),
        )
        holds = dict(hands)
        holds["chest"] = self.on_back_at(chest, _CHEST, x)
        holds["head"] = self.on_back_at(head, _SKULL + pillow, x)
        for side, knee in zip(("left", "right"), knees, strict=True):
            # The heel rests on the mattress; the ankle is that much above it.
            free = np.full((3, 3), np.nan)
            free[0, 2] = self.height + (0.055 if knee < 25 else anatomy.ankle_height)
            holds[f"{side}_foot"] = free
        return posture.holding(pelvis=pelvis, **holds)

    def on_side(self, *, x: float | int = 0.0, left: bool = True, curl: float | int = 1.0) -> Posture:
        """On one side with bent legs, the upper hand before the belly."""
        anatomy = self.cast.anatomy
        sign = -1.0 if left else 1.0
        pelvis = np.array([x, self.hip_y, self.height + anatomy.side - 0.02])
        low, high = (0, 1) if left else (1, 0)
        hip, knee = [0.0, 0.0], [0.0, 0.0]
        hip[low], hip[high] = 32 + 18 * curl, 46 + 22 * curl
        knee[low], knee[high] = 48 + 18 * curl, 62 + 22 * curl
        arm, elbow, out = [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]
        arm[low], arm[high] = 58.0, 40.0
        elbow[low], elbow[high] = 70.0, 52.0
        out[low], out[high] = -6.0, 2.0
        fold = 0.4 * self.angle
        upper = "right" if left else "left"
        head = float(anatomy.rest[15, 1])
        pillow = _PILLOW if self.bed.pillow is not None else 0.0
        return Posture(
            soft=("pelvis", "left_knee", "right_knee", "left_foot", "right_foot"),
            pelvis=pelvis,
            pitch=-90 + 0.35 * self.angle,
            turn=sign * -84.0,
            trunk=(14 + 6 * curl, -sign * fold * -0.4, 0.0),
            neck=(8, 0, 0),
            limbs=Limbs(
                hip=tuple(hip),
                hip_out=(-6.0, -6.0),
                knee=tuple(knee),
                ankle=-16,
                arm=tuple(arm),
                arm_out=tuple(out),
                elbow=tuple(elbow),
            ),
        ).holding(
            pelvis=pelvis,
            head=self.on_back_at(head - 0.04, 0.10 + pillow + 0.02, x + sign * 0.06),
            **{f"{upper}_hand": np.array([x + sign * 0.30, self.hip_y - 0.26, self.height + 0.035])},
            **stacked_legs(anatomy, self.height, "left" if left else "right"),
        )

    def half_up(self) -> Posture:
        """Over the left elbow, legs over the edge: halfway between lying on the side and sitting."""
        anatomy = self.cast.anatomy
        pelvis = np.array([self.edge_x + 0.24, self.hip_y + 0.06, self.height + anatomy.seat - 0.01])
        # On a raised backrest the hand pushes where on a flat bed the elbow would.
        raised = self.angle > STEEP_DEG
        elbow = np.array([self.edge_x + 0.16, self.hip_y - 0.36, self.height + 0.03])
        push = np.array([self.edge_x + 0.10, self.hip_y - 0.20, self.height + 0.035])
        return Posture(
            pelvis=pelvis,
            yaw=np.radians(78),
            pitch=-4,
            roll=18 if raised else 34,
            trunk=(18, 14, -8),
            neck=(4, -18, 0),
            limbs=Limbs(
                hip=(72, 74), hip_out=4, knee=(66, 72), ankle=-12, arm=(24, 38), arm_out=(34, 0), elbow=(78, 50)
            ),
        ).holding(
            **({"left_hand": push} if raised else {"left_elbow": elbow}),
            right_hand=np.array([self.edge_x + 0.07, self.hip_y - 0.18, self.height + 0.035]),
        )

    def on_edge(self, *, inset: float | int = 0.2, lean: float | int = 8.0, hands: str = "bed") -> Posture:
        """Sitting on the left edge, feet on the floor if they reach it; hands beside the hips or on the thighs."""
        posture = sit(
            self.cast, self.edge_spot, np.pi / 2, self.height, inset=inset, lean=lean, feet_ahead=0.07, width=0.22
        )
        if hands == "bed":
            aside = self.cast.anatomy.side + 0.06
            for name, sign in (("left", -1.0), ("right", 1.0)):
                hand = [self.edge_x + inset - 0.09, self.hip_y + 0.10 + sign * aside, self.height + 0.035]
                posture = posture.holding(**{f"{name}_hand": np.array(hand)})
        return posture

    @property
    def edge_spot(self) -> Float[np.ndarray, "2"]:
        """The point of the left edge over which the person sits."""
        return at(self.edge_x, self.hip_y + 0.10)

    def feet_to_rise(self) -> dict[str, Float[np.ndarray, "3 3"]]:
        """Feet under the knees, ready to stand up before the edge."""
        ahead = 0.10 if reaches_floor(self.cast.anatomy, self.height) else 0.16
        return feet_at(self.cast.anatomy, self.edge_spot + at(-ahead, 0), np.pi / 2, width=0.22)

    def long_sit(self, *, lean: float | int = 10.0) -> Posture:
        """Sitting up in bed with the legs straight on the mattress, hands behind or on the thighs."""
        anatomy = self.cast.anatomy
        pelvis = np.array([0.0, self.hip_y, self.height + anatomy.seat - SINK])
        hands = {
            f"{side}_hand": np.array([sign * (anatomy.side + 0.08), self.hip_y - 0.04, self.height + 0.035])
            for side, sign in (("left", -1.0), ("right", 1.0))
        }
        free = np.full((3, 3), np.nan)
        free[0, 2] = self.height + 0.055
        return Posture(
            pelvis=pelvis,
            pitch=-24 + 0.4 * lean,
            trunk=(28 + 0.6 * lean + 0.5 * self.cast.stoop, 0, 0),
            neck=(4, 0, 0),
            limbs=Limbs(hip=68 + 0.4 * lean, hip_out=8, hip_turn=10, knee=14, ankle=-8, arm=-8, arm_out=14, elbow=24),
        ).holding(pelvis=place(pelvis[:2], pelvis[2]), left_foot=free, right_foot=free.copy(), **hands)

    def perched(self, feet: dict, lean: float | int = 26.0) -> Posture:
        """At the very edge, feet under the knees, leaned forwards, hands pushing on the mattress."""
        inset = 0.15 if reaches_floor(self.cast.anatomy, self.height) else 0.09
        posture = self.on_edge(inset=inset, lean=lean)
        if not reaches_floor(self.cast.anatomy, self.height):
            # From a high bed one slides down until the soles touch.
            posture = replace(posture, pelvis=posture.pelvis - np.array([0, 0, 0.03])).holding(pelvis=None)
        return posture.holding(**feet)

    def propped_up(self) -> Posture:
        """On both elbows, the trunk half raised: on the way to sitting up in bed."""
        posture = self.long_sit()
        hands = {
            f"{side}_elbow": np.array([sign * 0.26, self.hip_y - 0.30, self.height + 0.05])
            for side, sign in (("left", -1.0), ("right", 1.0))
        }
        return replace(
            posture,
            pitch=max(-62.0, -90 + self.angle),
            trunk=(22, 0, 0),
            neck=(22, 0, 0),
            limbs=replace(posture.limbs, hip=24, elbow=80, arm=-42, arm_out=18),
        ).holding(left_hand=None, right_hand=None, **hands)

    def over_rail(self) -> tuple[Posture, Posture, Posture]:
        """Turned to the left rail with the left knee lifted, that leg over the rail, and sitting up on the rail."""
        anatomy = self.cast.anatomy
        rail, x, y = self.bed.rail_height, -self.thing.size[0] / 2 + 0.02, self.hip_y + 0.12
        sole = np.full((3, 3), np.nan)
        sole[0, 2] = self.height + anatomy.ankle_height
        on_rail = {
            "left_hand": np.array([x, y - 0.34, rail + 0.012]),
            "right_hand": np.array([x, y + 0.36, rail + 0.012]),
        }
        lifted = Posture(
            pelvis=np.array([self.edge_x + 0.34, y, self.height + anatomy.seat - 0.01]),
            yaw=np.radians(58),
            pitch=-14,
            trunk=(30 + 0.4 * self.cast.stoop, 0, 0),
            neck=(6, 0, 0),
            limbs=Limbs(
                hip=(122, 92), hip_out=(10, 12), knee=(104, 88), ankle=-10, arm=(30, -20), arm_out=18, elbow=30
            ),
        ).holding(
            left_knee=np.array([x + 0.12, y - 0.06, rail + 0.20]),
            right_foot=sole,
            left_hand=on_rail["left_hand"],
            right_hand=np.array([self.edge_x + 0.56, y + 0.10, self.height + 0.035]),
        )
        over = replace(
            lifted,
            pelvis=np.array([self.edge_x + 0.24, y, self.height + anatomy.seat + 0.0]),
            yaw=np.radians(74),
            pitch=-4,
            trunk=(34 + 0.4 * self.cast.stoop, 0, 0),
            limbs=Limbs(hip=(98, 92), hip_out=(8, 12), knee=(76, 98), ankle=-12, arm=(34, 30), arm_out=18, elbow=35),
        ).holding(left_knee=np.array([x - 0.07, y - 0.08, rail + 0.075]), right_hand=on_rail["right_hand"])
        astride = replace(
            over,
            pelvis=np.array([x + 0.10, y + 0.02, rail + anatomy.seat - 0.02]),
            yaw=np.radians(84),
            pitch=12,
            trunk=(28 + 0.4 * self.cast.stoop, 0, 0),
            limbs=Limbs(hip=(62, 96), hip_out=(10, 14), knee=(52, 112), ankle=-14, arm=30, arm_out=20, elbow=40),
        ).holding(left_knee=None)
        return lifted, over, astride
