"""What people do once they are there, as key postures: stand and look, kneel and reach, bend over, hold hands."""

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from jaxtyping import Float

if TYPE_CHECKING:
    from carescene.simulation.cast import Cast

# Taking somebody's hands needs about this long.
_TAKE_S: Final = 0.9
# From the wrist to where fingers close.
_HAND_M: Final = 0.16


def look_on(down: float, seconds: float) -> Any:
    """Stand and look at somebody, the head bent by `down` degrees."""

    def deeds(cast: "Cast", spot: Float[np.ndarray, "2"], yaw: float) -> list[Any]:
        from dataclasses import replace

        from carescene.simulation.key_postures import stand
        from carescene.simulation.keyframing import Key

        upright = stand(cast, spot, yaw)
        looking = replace(upright, neck=(upright.neck[0] + down, 0.0, 0.0))
        return [Key(upright, 0, "standing", hold=0.1), Key(looking, 0.6, "standing", hold=seconds)]

    return deeds


def kneel_and_reach(target: Float[np.ndarray, "3"], seconds: float) -> Any:
    """Go down on one knee and lay a hand on somebody, at `target` or as near as the arm reaches."""

    def deeds(cast: "Cast", spot: Float[np.ndarray, "2"], yaw: float) -> list[Any]:
        from carescene.simulation.controlled_staff import lunge_down
        from carescene.simulation.key_postures import half_kneel, stand
        from carescene.simulation.keyframing import Key
        from carescene.simulation.postures import facing

        lunge, down = lunge_down(cast, spot, yaw)
        knee = spot - facing(yaw)[:2] * 0.28
        bent = half_kneel(cast, knee, yaw, bend=54)
        bent = bent.holding(**{name: down.holds[name] for name in down.holds if name.endswith(("foot", "knee"))})
        bent = bent.holding(**_reaching(cast, bent, knee, yaw, target))
        return [
            Key(stand(cast, spot, yaw), 0, "standing", hold=0.1),
            Key(lunge, 0.7, "kneel_down", lift=0.05, via=True),
            Key(down, 0.8, "kneel_down"),
            Key(bent, 0.7, "kneeling", hold=seconds),
        ]

    return deeds


def bend_and_reach(target: Float[np.ndarray, "3"], seconds: float, bend: float) -> Any:
    """Bend over somebody who lies in bed or sits, a hand on them, and come up again."""

    def deeds(cast: "Cast", spot: Float[np.ndarray, "2"], yaw: float) -> list[Any]:
        from carescene.simulation.key_postures import stand
        from carescene.simulation.keyframing import Key

        upright = stand(cast, spot, yaw, width=0.26)
        bent = stand(cast, spot, yaw, bend=bend, knees=12, width=0.26)
        bent = bent.holding(left_foot=upright.holds["left_foot"], right_foot=upright.holds["right_foot"])
        bent = bent.holding(**_reaching(cast, bent, spot, yaw, target))
        return [
            Key(upright, 0, "standing", hold=0.1),
            Key(bent, 1.1 * cast.pace, "other", hold=seconds),
            Key(upright, 1.0 * cast.pace, "other", hold=0.3, hold_label="standing"),
        ]

    return deeds


def take_hands(
    left: Float[np.ndarray, "moment 3"], right: Float[np.ndarray, "moment 3"], seconds: Float[np.ndarray, "moment"]
) -> Any:
    """Stand before somebody and hold both their hands while these move: for helping up and letting down.

    Args:
        left, right: where the helper's hands are at each moment, metres.
        seconds: of the moments from the start; the knees and the trunk bend as low as the hands are.
    """

    def deeds(cast: "Cast", spot: Float[np.ndarray, "2"], yaw: float) -> list[Any]:
        from carescene.simulation.key_postures import stand
        from carescene.simulation.keyframing import Key

        upright = stand(cast, spot, yaw, width=0.26, left_ahead=0.14)
        feet = {name: upright.holds[name] for name in ("left_foot", "right_foot")}
        before = max(float(seconds[0]) - _TAKE_S, 0.0)
        keys = [Key(upright, 0, "standing", hold=before)] if before > 0 else []
        for number, moment in enumerate(seconds):
            low = float(np.clip(1.05 - (left[number, 2] + right[number, 2]) / 2, 0.0, 0.75))
            bent = stand(cast, spot, yaw, bend=8 + 44 * low, knees=4 + 84 * low, width=0.26).holding(**feet)
            hands = {
                name: _reaching(cast, bent, spot, yaw, _short_of(point, spot), name)[f"{name}_hand"]
                for name, point in (("left", left[number]), ("right", right[number]))
            }
            held = bent.holding(**{f"{name}_hand": point for name, point in hands.items()})
            keys.append(Key(held, float(moment) - before, "other", via=0 < number < len(seconds) - 1))
            before = float(moment)
        return keys

    return deeds


def _short_of(hand: Float[np.ndarray, "3"], spot: Float[np.ndarray, "2"]) -> Float[np.ndarray, "3"]:
    """Where the helper's wrist is while the fingers hold somebody's hand: a hand's length before it."""
    back = np.append(spot - hand[:2], 0.0)
    return hand + _HAND_M * back / max(float(np.linalg.norm(back)), 1e-6)


def _reaching(
    cast: "Cast",
    posture: Any,
    spot: Float[np.ndarray, "2"],
    yaw: float,
    target: Float[np.ndarray, "3"],
    side: str | None = None,
) -> dict[str, Float[np.ndarray, "3"]]:
    """One hand at the target, or on the way there as far as the arm goes with the trunk bent like this."""
    from carescene.simulation.postures import facing, leftwards

    if side is None:
        side = "left" if float((target[:2] - spot) @ leftwards(yaw)[:2]) > 0 else "right"
    lean = np.radians(posture.pitch + posture.trunk[0])
    trunk = float(cast.anatomy.rest[16, 1] - cast.anatomy.rest[0, 1])
    shoulder = posture.pelvis + facing(yaw) * trunk * np.sin(lean) + np.array([0, 0, trunk * np.cos(lean)])
    shoulder = shoulder + leftwards(yaw) * (0.18 if side == "left" else -0.18)
    away = target - shoulder
    far = float(np.linalg.norm(away))
    reach = min(far, 0.93 * cast.anatomy.arm)
    return {f"{side}_hand": shoulder + away / max(far, 1e-6) * reach}
