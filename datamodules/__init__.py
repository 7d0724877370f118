"""Lightning data modules."""

from datamodules.mocap import MocapDataModule
from datamodules.scenes import SceneDataModule

__all__ = ["MocapDataModule", "SceneDataModule"]
