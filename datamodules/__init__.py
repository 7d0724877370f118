"""Lightning data modules."""

from datamodules.mocap import MocapDataModule
from datamodules.packed import PackedDataModule
from datamodules.scenes import SceneDataModule

__all__ = ["MocapDataModule", "PackedDataModule", "SceneDataModule"]
