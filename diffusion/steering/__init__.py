"""Steering of a trained model: exact constraints, gradients, and finishing."""

from diffusion.steering.bodies import Bodies, bodies_of_features, body_balls
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
)
from diffusion.steering.energies import (
    Energy,
    HeightRange,
    JointLimits,
    KeepApart,
    KeepDistance,
    LieLow,
    LookAt,
    PlantFeet,
    Reach,
    StayClear,
    StayInside,
)
from diffusion.steering.finishing import FinishConfig, Finished, finish
from diffusion.steering.metric import Metric
from diffusion.steering.projection import Problem
from diffusion.steering.rows import ClipConstraints, compile_constraints
from diffusion.steering.steering import Steering, SteeringConfig

__all__ = [
    "Bodies",
    "ClipConstraints",
    "Constraint",
    "Energy",
    "EventSpan",
    "FinishConfig",
    "Finished",
    "HeightRange",
    "JointLimits",
    "JointMeeting",
    "JointTarget",
    "KeepApart",
    "KeepDistance",
    "Keyframe",
    "LieLow",
    "LookAt",
    "Metric",
    "PelvisHeight",
    "PlantFeet",
    "Problem",
    "Reach",
    "RootPath",
    "RootPoint",
    "RootVelocity",
    "StayClear",
    "StayInside",
    "Steering",
    "SteeringConfig",
    "bodies_of_features",
    "body_balls",
    "compile_constraints",
    "finish",
]
