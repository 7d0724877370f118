"""Measures of motion: physics, variety, nearness to training data, and recognised actions."""

from carescene.evaluation.diversity import (
    Neighbours,
    align,
    facing_direction,
    in_place,
    mean_pairwise_distance,
    nearest_neighbours,
    pairwise_distances,
    resample_time,
)
from carescene.evaluation.physics import (
    floating_fraction,
    floor_penetration,
    foot_skating,
    jerk,
    penetration_depth,
    sliding_fraction,
    stance_intervals,
    support_speed,
)
from carescene.evaluation.recogniser import ActionRecogniser, RecogniserConfig, confusion_matrix
from carescene.evaluation.recogniser_training import LabelledMotion, train_recogniser

# The torchmetrics classes stay in carescene.evaluation.metrics: importing torchmetrics takes seconds, and a generator
# that only checks its own output should not wait for it.
__all__ = [
    "ActionRecogniser",
    "LabelledMotion",
    "Neighbours",
    "RecogniserConfig",
    "align",
    "confusion_matrix",
    "facing_direction",
    "floating_fraction",
    "floor_penetration",
    "foot_skating",
    "in_place",
    "jerk",
    "mean_pairwise_distance",
    "nearest_neighbours",
    "pairwise_distances",
    "penetration_depth",
    "resample_time",
    "sliding_fraction",
    "stance_intervals",
    "support_speed",
    "train_recogniser",
]
