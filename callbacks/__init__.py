"""Lightning callbacks: sample videos and model files during training."""

from callbacks.export import ExportModel
from callbacks.samples import SampleVideos

__all__ = ["ExportModel", "SampleVideos"]
