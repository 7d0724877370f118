"""Lightning callbacks: sample videos and model files during training, clips from prediction."""

from callbacks.clips import WriteClips, predicted_clips
from callbacks.export import ExportModel
from callbacks.samples import SampleVideos

__all__ = ["ExportModel", "SampleVideos", "WriteClips", "predicted_clips"]
