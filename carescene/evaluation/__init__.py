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
from carescene.evaluation.frechet import frechet_distance, gaussian_distance, overlap
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
from carescene.evaluation.replications import Estimate, estimate
from carescene.evaluation.retrieval import RPrecision, matching_distance, r_precision
from carescene.evaluation.spread import multimodality

# The torchmetrics classes stay in carescene.evaluation.metrics and embedding_metrics: importing torchmetrics takes
# seconds, and a generator that only checks its own output should not wait for it.
__all__ = [
    "ActionRecogniser",
    "Estimate",
    "LabelledMotion",
    "Neighbours",
    "RPrecision",
    "RecogniserConfig",
    "align",
    "confusion_matrix",
    "estimate",
    "facing_direction",
    "floating_fraction",
    "floor_penetration",
    "foot_skating",
    "frechet_distance",
    "gaussian_distance",
    "in_place",
    "jerk",
    "matching_distance",
    "mean_pairwise_distance",
    "multimodality",
    "nearest_neighbours",
    "overlap",
    "pairwise_distances",
    "penetration_depth",
    "r_precision",
    "resample_time",
    "sliding_fraction",
    "stance_intervals",
    "support_speed",
    "train_recogniser",
]
