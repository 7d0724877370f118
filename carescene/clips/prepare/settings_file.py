"""Constants of recorded bodies on disk, so that a later run, with more takes perhaps, uses the same ones."""

import hashlib
import json
from pathlib import Path

import numpy as np

from carescene.clips.prepare.calibrate import BodySetting
from carescene.files import write_atomically
from carescene.humans._retarget_maps import SKELETON_MAPS
from carescene.humans.floor import Soles
from carescene.humans.retarget import Retargeting


def settings_path(out: Path, key: str) -> Path:
    """Where the constants of a recorded body lie."""
    return out / "bodies" / f"{key.split('/')[0]}_{hashlib.blake2b(key.encode(), digest_size=6).hexdigest()}.json"


def save_setting(setting: BodySetting, path: Path, version: str) -> None:
    """Write the constants of a recorded body; `version` names the code and body model they were fitted with."""
    fitted = setting.retargeting
    content = {
        "version": version,
        "skeleton": fitted.skeleton.name,
        "betas": fitted.betas.tolist(),
        "rest_joints": fitted.rest_joints.tolist(),
        "scale": fitted.scale,
        "size": fitted.size,
        "alignments": {joint: matrix.tolist() for joint, matrix in fitted.alignments.items()},
        "sole_joints": setting.soles.joints.tolist(),
        "sole_offsets": setting.soles.offsets.tolist(),
        "floor": setting.floor,
    }
    write_atomically(path, lambda file: file.write((json.dumps(content) + "\n").encode()))


def load_setting(path: Path, version: str) -> BodySetting | None:
    """The constants of a recorded body, or None if there are none from this version."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["version"] != version:
            return None
        fitted = Retargeting(
            skeleton=next(entry for entry in SKELETON_MAPS if entry.name == content["skeleton"]),
            betas=np.array(content["betas"]),
            rest_joints=np.array(content["rest_joints"]),
            scale=content["scale"],
            size=content["size"],
            alignments={joint: np.array(matrix) for joint, matrix in content["alignments"].items()},
        )
        soles = Soles(np.array(content["sole_joints"]), np.array(content["sole_offsets"]))
        return BodySetting(fitted, soles, content["floor"])
    except (OSError, ValueError, KeyError, TypeError, StopIteration):
        # Absent or damaged: the constants are fitted again, which costs seconds.
        return None
