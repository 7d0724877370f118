"""From a static camera's video to people and their room in metres, in plain numpy and torch."""

from reconstruction.landmarks import LandmarkModel, free_landmarks, landmark_model, landmark_positions
from reconstruction.observations import LANDMARK, LANDMARKS, DepthLabels, Keypoints, PoseLabels

__all__ = [
    "LANDMARK",
    "LANDMARKS",
    "DepthLabels",
    "Keypoints",
    "LandmarkModel",
    "PoseLabels",
    "free_landmarks",
    "landmark_model",
    "landmark_positions",
]
