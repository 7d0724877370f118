"""Lightning data modules."""

from datamodules.humanml3d import HumanML3DDataModule
from datamodules.humanml3d_vectors import HumanML3DVectorsDataModule
from datamodules.mocap import MocapDataModule
from datamodules.packed import PackedDataModule
from datamodules.scenes import SceneDataModule

__all__ = [
    "HumanML3DDataModule",
    "HumanML3DVectorsDataModule",
    "MocapDataModule",
    "PackedDataModule",
    "SceneDataModule",
]
