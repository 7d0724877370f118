"""What is published about real falls, with sources; the figures that simulated falls are held against.

All were checked against the abstracts of the papers. Numbers that stand in the papers' bodies alone are left out.
"""

from dataclasses import dataclass
from typing import Final

CHOI_2015: Final = "Choi, Wakeling and Robinovitch 2015, J Biomech 48(6):911-920: 25 filmed falls in long-term care"
ROBINOVITCH_2013: Final = "Robinovitch et al. 2013, Lancet 381:47-54: 227 filmed falls in long-term care"
SCHONNOP_2013: Final = "Schonnop et al. 2013, CMAJ 185(17):E803-E810: 227 filmed falls in long-term care"
KOMISAR_2022: Final = "Komisar et al. 2022, BMC Geriatrics 22:343: 2388 filmed falls in long-term care"
YANG_2016: Final = "Yang et al. 2016, Osteoporos Int 27(2):537-547: 520 filmed falls in long-term care"
FELDMAN_2007: Final = "Feldman and Robinovitch 2007, J Biomech 40(12):2612-2618: 44 young adults, sideways falls"
HSIAO_1998: Final = "Hsiao and Robinovitch 1998, J Biomech 31(1):1-9: young adults, unexpected falls"
CRENSHAW_2017: Final = "Crenshaw et al. 2017 (PMC5858880): 125 community-dwelling women of 65 and more, self-reported"
VLAEYEN_2013: Final = "Vlaeyen et al. 2013, BMC Geriatrics 13:103: 26 filmed falls of three frail people"


@dataclass(frozen=True)
class Published:
    """A published mean and standard deviation (None where only the mean is known), its unit and its source."""

    mean: float
    deviation: float | None
    unit: str
    source: str


MEASURES: Final[dict[str, Published]] = {
    "onset_to_impact_s": Published(1.271, 0.648, "s", CHOI_2015),
    "descent_s": Published(0.583, 0.255, "s", CHOI_2015),
    "pelvis_speed_m_s": Published(2.14, 0.63, "m/s", CHOI_2015),
    "head_speed_m_s": Published(2.91, 0.86, "m/s", CHOI_2015),
}

# Share of falls; the remaining 2 % of the causes are others.
CAUSES: Final[dict[str, float]] = {
    "weight_shift": 0.41,
    "trip": 0.21,
    "bump": 0.11,
    "support_loss": 0.11,
    "collapse": 0.11,
    "slip": 0.03,
}
CAUSES_SOURCE: Final = ROBINOVITCH_2013

# Share of falls in which each part hits the floor.
IMPACTS: Final[dict[str, Published]] = {
    "hand": Published(0.74, None, "of falls", SCHONNOP_2013),
    "head": Published(0.37, None, "of falls", SCHONNOP_2013),
    "pelvis": Published(0.95, None, "of falls", KOMISAR_2022),
    "hip": Published(0.40, None, "of falls", YANG_2016),
}

# What could not be compared, or only in words.
REMARKS: Final[tuple[str, ...]] = (
    f"Direction: residents mainly fall backward ({VLAEYEN_2013}); community-dwelling women report 44 % forward and "
    f"41 % backward, with sideways motion in a third ({CRENSHAW_2017}). The shares of directions in long-term care "
    "stand in papers we could not open.",
    f"Young adults hit the ground with the wrist within 38 ms of the pelvis ({HSIAO_1998}), the hand 50 ms before it "
    f"(SD 40) in sideways falls ({FELDMAN_2007}).",
    "Choi et al. name no threshold for the start of the descent; ours is where the pelvis last begins to sink faster "
    "than 0.2 m/s.",
)
