"""Exporting whole folders in formats that others read: in parallel, with splits, and so that a rerun goes on."""

from carescene.export.humanml3d import export_humanml3d
from carescene.export.run import EXPORT_FORMATS, export
from carescene.export.settings import DEFAULT_SHARD_BYTES, DEFAULT_SPLIT, Exported, ExportSettings
from carescene.export.sources import group_of

__all__ = [
    "DEFAULT_SHARD_BYTES",
    "DEFAULT_SPLIT",
    "EXPORT_FORMATS",
    "ExportSettings",
    "Exported",
    "export",
    "export_humanml3d",
    "group_of",
]
