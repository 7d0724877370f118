"""Lightning data modules."""

from datamodules.humanml3d import HumanML3DDataModule
from datamodules.humanml3d_vectors import HumanML3DVectorsDataModule
from datamodules.interhuman import InterHumanDataModule
from datamodules.interhuman_pairs import InterHumanPairs, collate_pairs
from datamodules.observations import ObservationsDataModule
from datamodules.packed import PackedDataModule
from datamodules.scenes import SceneDataModule
from datamodules.shards import ShardDataModule

__all__ = [
    "HumanML3DDataModule",
    "HumanML3DVectorsDataModule",
    "InterHumanDataModule",
    "InterHumanPairs",
    "ObservationsDataModule",
    "PackedDataModule",
    "SceneDataModule",
    "ShardDataModule",
    "collate_pairs",
]
