"""Lightning callbacks: sample videos, measures and model files during training, clips from prediction."""

from callbacks.clips import WriteClips, predicted_clips
from callbacks.export import ExportModel
from callbacks.metrics import MotionMetrics
from callbacks.samples import SampleVideos

__all__ = ["ExportModel", "MotionMetrics", "SampleVideos", "WriteClips", "predicted_clips"]
