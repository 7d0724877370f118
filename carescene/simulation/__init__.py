"""Physics: a simulated person who falls, or does not, among furniture (MuJoCo)."""

from carescene.simulation.engine import simulate
from carescene.simulation.events import (
    Assistance,
    FootFriction,
    HeldFoot,
    Perturbation,
    PoseTarget,
    Protect,
    Push,
    RemoveFurniture,
    Settle,
    Stiffness,
)
from carescene.simulation.filter import FilterLimits, rejection
from carescene.simulation.humanoid import Humanoid, PersonBody, build_humanoid
from carescene.simulation.motion import ReferenceMotion, SimulatedMotion
from carescene.simulation.segments import GROUPS, reaction_delay, strength_factor

__all__ = [
    "GROUPS",
    "Assistance",
    "FilterLimits",
    "FootFriction",
    "HeldFoot",
    "Humanoid",
    "PersonBody",
    "Perturbation",
    "PoseTarget",
    "Protect",
    "Push",
    "ReferenceMotion",
    "RemoveFurniture",
    "Settle",
    "SimulatedMotion",
    "Stiffness",
    "build_humanoid",
    "reaction_delay",
    "rejection",
    "simulate",
    "strength_factor",
]
