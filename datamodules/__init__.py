"""Lightning data modules."""

from datamodules.mocap import MocapDataModule

__all__ = ["MocapDataModule"]
