"""The body: a file in SMPL's format, posed by smplx."""

import contextlib
import io
import pickle
import zipfile
import zlib
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import smplx
import torch
from jaxtyping import Float, Int
from smplx.utils import Struct
from torch import Tensor, nn

from carescene.errors import UserError
from carescene.humans.skeleton import NUM_JOINTS, PARENTS

NUM_BETAS = 10
_KEYS = ("v_template", "shapedirs", "posedirs", "J_regressor", "kintree_table", "weights", "f")
# smplx appends vertices of SMPL's own mesh to the joints (nose, eyes, ears); they are cut off again, so any will do.
_NO_LANDMARKS: dict[str, int] = {"nose": 0, "reye": 0, "leye": 0, "rear": 0, "lear": 0}


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
        return self.smpl.get_buffer("faces_tensor")

    @property
    def lbs_weights(self) -> Float[Tensor, "vertex 24"]:
        """Share of each joint in the movement of each vertex; rows sum to 1."""
        return self.smpl.get_buffer("lbs_weights")

    def rest_vertices(self, betas: Float[Tensor, "*batch 10"]) -> Float[Tensor, "*batch vertex 3"]:
        """Vertices of the T-pose in the rest frame (y up, facing +z, left is +x), in metres."""
        directions = self.smpl.get_buffer("shapedirs")
        return self.smpl.get_buffer("v_template") + torch.einsum("vck,...k->...vc", directions, betas)

    def rest_joints(self, betas: Float[Tensor, "*batch 10"]) -> Float[Tensor, "*batch 24 3"]:
        """Joints of the T-pose in the rest frame (y up, facing +z, left is +x), in metres."""
        return torch.einsum("jv,...vc->...jc", self.smpl.get_buffer("J_regressor"), self.rest_vertices(betas))

    def pose(
        self,
        poses: Float[Tensor, "*batch 24 3"],
        trans: Float[Tensor, "*batch 3"],
        betas: Float[Tensor, "*shape 10"],
    ) -> BodyMesh:
        """Pose the body by linear blend skinning.

        Args:
            poses: axis-angle rotation of each joint relative to its parent; the pelvis' maps rest frame to world.
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
        path: None for the bundled asset; else an SMPL file: `.npz` of plain arrays, or the `.pkl` that smplx reads
            itself. A pickle can run code, so give only files that you trust.

    Raises:
        UserError: the file is missing, truncated, of another model, or needs chumpy.
    """
    if path is None:
        with as_file(files("carescene") / "assets" / "body.npz") as bundled:
            return load_body(bundled)
    if not path.is_file():
        raise UserError(f"Expected an SMPL body file, but there is none at {path}. Check the path, or leave it out.")
    if path.suffix not in (".npz", ".pkl"):
        raise UserError(f"Expected an SMPL file ending in .npz or .pkl, but got {path.name}. Give SMPL's own file.")
    data = _read_npz(path) if path.suffix == ".npz" else None
    try:
        # smplx prints a warning for every body of ten shape coefficients; ten is what this project uses.
        with contextlib.redirect_stdout(io.StringIO()):
            smpl = smplx.SMPL(
                model_path=str(path),
                data_struct=data,
                num_betas=NUM_BETAS,
                create_betas=False,
                create_global_orient=False,
                create_body_pose=False,
                create_transl=False,
                vertex_ids=_NO_LANDMARKS,
                use_hands=False,
                use_feet_keypoints=False,
            )
    except ModuleNotFoundError as error:
        raise UserError(
            f"Expected plain arrays in {path.name}, but it needs the module {error.name}. SMPL's first releases hold "
            "chumpy arrays. Take a release without them, or convert it once with smplx's tools/clean_ch.py."
        ) from error
    except (AttributeError, EOFError, IndexError, KeyError, TypeError, ValueError, pickle.UnpicklingError) as error:
        raise UserError(
            f"Expected an SMPL body in {path.name}, but smplx cannot read it ({error}). "
            "It is damaged or another model's file. Give SMPL's own file (24 joints)."
        ) from error
    _check(smpl, path)
    return Body(smpl)


def _read_npz(path: Path) -> Struct:
    try:
        # Opened here, as numpy leaves a file that is no archive open.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return Struct(**{key: archive[key] for key in _KEYS})
    except KeyError as error:
        raise UserError(
            f"Expected an SMPL body in {path.name}, but it lacks an array: {error.args[0]} "
            "It may be another model's file. Give SMPL's (24 joints)."
        ) from error
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
        raise UserError(
            f"Expected an SMPL body in {path.name}, but it is not a whole npz file ({error}). Copy it again."
        ) from error
    except ValueError as error:
        raise UserError(
            f"Expected plain arrays in {path.name}, but it holds Python objects ({error}). Save it again without them."
        ) from error


def _check(smpl: smplx.SMPL, path: Path) -> None:
    parents = smpl.get_buffer("parents").tolist()
    if tuple(parents) != PARENTS:
        raise UserError(
            f"Expected SMPL's tree of 24 joints in {path.name}, but got {len(parents)} joints in another tree. "
            "Files of SMPL-H, SMPL-X or MANO do not fit. Give an SMPL file."
        )
    vertices = smpl.get_buffer("v_template").shape[0]
    wanted = {
        "shapedirs": (vertices, 3, NUM_BETAS),
        "posedirs": (9 * (NUM_JOINTS - 1), 3 * vertices),
        "J_regressor": (NUM_JOINTS, vertices),
        "lbs_weights": (vertices, NUM_JOINTS),
    }
    for name, shape in wanted.items():
        got = tuple(smpl.get_buffer(name).shape)
        if got != shape:
            raise UserError(f"Expected {name} of shape {shape} in {path.name}, but got {got}. Give SMPL's own file.")
