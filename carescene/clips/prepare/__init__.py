"""From folders of recordings to prepared clips."""

from carescene.clips.prepare.run import Prepared, prepare_mocap
from carescene.clips.prepare.takes import DATASETS

__all__ = ["DATASETS", "Prepared", "prepare_mocap"]
