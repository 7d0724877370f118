"""The body: a file in SMPL's format, posed by smplx."""

import contextlib
import io
import pickle
import warnings
import zipfile
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from carescene.errors import UserError
from carescene.humans.skeleton import NUM_JOINTS, PARENTS

with warnings.catch_warnings():
    # smplx 0.1.28 has a regular expression in a docstring with an invalid escape; Python warns when it first compiles it.
    warnings.simplefilter("ignore", DeprecationWarning)
    warnings.simplefilter("ignore", SyntaxWarning)
    import smplx
    from smplx.utils import Struct

NUM_BETAS = 10
_KEYS = ("v_template", "shapedirs", "posedirs", "J_regressor", "kintree_table", "weights", "f")
# smplx appends vertices of SMPL's own mesh to the joints (nose, eyes, ears); they are cut off again, so any vertex will do.
_NO_LANDMARKS = dict.fromkeys(("nose", "reye", "leye", "rear", "lear"), 0)


@dataclass(frozen=True)
class BodyMesh:
    """Posed bodies in the world frame (z up), metres: `vertices (*batch, V, 3)` and `joints (*batch, 24, 3)`."""

    vertices: Float[Tensor, "*batch vertex 3"]
    joints: Float[Tensor, "*batch 24 3"]


class Body(nn.Module):
    """A body in SMPL's format: shapes it by betas and poses it by joint rotations (Loper et al. 2015, "SMPL")."""

    def __init__(self, smpl: smplx.SMPL) -> None:
        super().__init__()
        self.smpl = smpl

    @property
    def faces(self) -> Int[Tensor, "face 3"]:
        """Triangles, counter-clockwise seen from outside."""
        return self.smpl.faces_tensor

    @property
    def lbs_weights(self) -> Float[Tensor, "vertex 24"]:
        """Share of each joint in the movement of each vertex; rows sum to 1."""
        return self.smpl.lbs_weights

    def rest_vertices(self, betas: Float[Tensor, "*batch 10"]) -> Float[Tensor, "*batch vertex 3"]:
        """Vertices of the T-pose in the rest frame (y up, facing +z, left is +x), in metres."""
        return self.smpl.v_template + torch.einsum("vck,...k->...vc", self.smpl.shapedirs, betas)

    def rest_joints(self, betas: Float[Tensor, "*batch 10"]) -> Float[Tensor, "*batch 24 3"]:
        """Joints of the T-pose in the rest frame (y up, facing +z, left is +x), in metres."""
        return torch.einsum("jv,...vc->...jc", self.smpl.J_regressor, self.rest_vertices(betas))

    def pose(
        self,
        poses: Float[Tensor, "*batch 24 3"],
        trans: Float[Tensor, "*batch 3"],
        betas: Float[Tensor, "*shape 10"],
    ) -> BodyMesh:
        """Pose the body by linear blend skinning.

        Args:
            poses: axis-angle rotation of each joint relative to its parent; the pelvis' maps the rest frame to the world.
            trans: position of the pelvis joint in the world, in metres (not SMPL's `transl`, which moves its origin).
            betas: shape, one for all or one per batch entry (broadcast).
        """
        batch = poses.shape[:-2]
        flat = poses.reshape(-1, NUM_JOINTS, 3)
        out = self.smpl(
            betas=betas.expand(*batch, NUM_BETAS).reshape(-1, NUM_BETAS),
            global_orient=flat[:, 0],
            body_pose=flat[:, 1:].flatten(1),
            transl=torch.zeros_like(flat[:, 0]),
        )
        joints = out.joints[:, :NUM_JOINTS]
        shift = trans.reshape(-1, 1, 3) - joints[:, :1]
        return BodyMesh(
            vertices=(out.vertices + shift).reshape(*batch, -1, 3),
            joints=(joints + shift).reshape(*batch, NUM_JOINTS, 3),
        )


def load_body(path: Path | None = None) -> Body:
    """The bundled free body, or a body from a licensed SMPL file.

    Args:
        path: None for the bundled asset; else an SMPL file, `.npz` or the `.pkl` that smplx reads (without chumpy arrays).

    Raises:
        UserError: the file is missing, truncated, of another model, or needs chumpy.
    """
    if path is None:
        with as_file(files("carescene") / "assets" / "body.npz") as bundled:
            return Body(_build(_read(bundled), bundled))
    if not path.is_file():
        raise UserError(f"Expected an SMPL body file, but there is none at {path}. Check the path, or leave it out.")
    return Body(_build(_read(path), path))


def _read(path: Path) -> dict[str, np.ndarray]:
    if path.suffix == ".pkl":
        return _read_pickle(path)
    if path.suffix != ".npz":
        raise UserError(f"Expected an SMPL body file ending in .npz or .pkl, but got {path.name}. Convert or rename it.")
    try:
        with np.load(path, allow_pickle=False) as archive:
            missing = [key for key in _KEYS if key not in archive]
            if missing:
                raise UserError(
                    f"Expected an SMPL body in {path.name}, but it has no {', '.join(missing)}. "
                    "It may be another model's file. Give SMPL's (24 joints)."
                )
            return {key: archive[key] for key in _KEYS}
    except (zipfile.BadZipFile, EOFError, OSError) as error:
        raise UserError(f"Expected an SMPL body in {path.name}, but it is not a whole npz file ({error}). Copy it again.") from error
    except ValueError as error:
        if isinstance(error, UserError):
            raise
        raise UserError(
            f"Expected plain arrays in {path.name}, but it holds Python objects ({error}). Save it again with plain arrays."
        ) from error


def _read_pickle(path: Path) -> dict[str, np.ndarray]:
    # SMPL is distributed as a pickle, which can run code: it is opened only when the user names the file.
    try:
        with path.open("rb") as file:
            content = pickle.load(file, encoding="latin1")  # noqa: S301
    except ModuleNotFoundError as error:
        raise UserError(
            f"Expected plain arrays in {path.name}, but it needs the module {error.name}. SMPL's first releases hold chumpy "
            "arrays. Take a release without them, or convert the file with smplx's tools/clean_ch.py."
        ) from error
    except (pickle.UnpicklingError, EOFError, AttributeError) as error:
        raise UserError(f"Expected an SMPL body in {path.name}, but it cannot be read ({error}). Copy it again.") from error
    missing = [key for key in _KEYS if key not in content]
    if missing:
        raise UserError(f"Expected an SMPL body in {path.name}, but it has no {', '.join(missing)}. Give SMPL's file (24 joints).")
    regressor = content["J_regressor"]
    arrays = {key: np.asarray(content[key]) for key in _KEYS if key != "J_regressor"}
    return arrays | {"J_regressor": np.asarray(regressor.todense() if hasattr(regressor, "todense") else regressor)}


def _build(arrays: dict[str, np.ndarray], path: Path) -> smplx.SMPL:
    vertices = arrays["v_template"].shape[0]
    parents = arrays["kintree_table"][0].astype(np.int64)
    if tuple(parents[1:]) != PARENTS[1:]:
        raise UserError(
            f"Expected SMPL's tree of 24 joints in {path.name}, but got {len(parents)} joints in another order. "
            "SMPL-H and SMPL-X files do not fit. Give an SMPL file."
        )
    shapes = {
        "shapedirs": (vertices, 3, max(NUM_BETAS, arrays["shapedirs"].shape[-1])),
        "posedirs": (vertices, 3, 9 * (NUM_JOINTS - 1)),
        "J_regressor": (NUM_JOINTS, vertices),
        "weights": (vertices, NUM_JOINTS),
    }
    for key, shape in shapes.items():
        if arrays[key].shape != shape:
            raise UserError(f"Expected {key} of shape {shape} in {path.name}, but got {arrays[key].shape}. Give an SMPL file.")
    # smplx prints a warning for every body of ten shape coefficients; ten is what this project uses.
    with contextlib.redirect_stdout(io.StringIO()):
        smpl = smplx.SMPL(
            model_path=str(path),
            data_struct=Struct(**arrays),
            num_betas=NUM_BETAS,
            create_betas=False,
            create_global_orient=False,
            create_body_pose=False,
            create_transl=False,
            vertex_ids=_NO_LANDMARKS,
            use_hands=False,
            use_feet_keypoints=False,
        )
    return smpl.requires_grad_(False)
