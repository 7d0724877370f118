"""The bundled body against what SMPL's format promises, and smplx's posing against a second implementation."""

import io
import math
import pickle
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
import torch

from carescene.errors import UserError
from carescene.humans import JOINT, MIRROR, PARENTS, forward_kinematics, rotvec_to_matrix
from carescene.humans.body import Body, load_body
from carescene.humans.reference import reference_rest_joints

ASSET = files("carescene") / "assets" / "body.npz"


@pytest.fixture(scope="module")
def body() -> Body:
    return load_body()


@pytest.fixture(scope="module")
def arrays() -> dict[str, np.ndarray]:
    with ASSET.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        return dict(archive)


def tiny_smpl(vertices: int = 40, betas: int = 10) -> dict[str, np.ndarray]:
    """A random body in SMPL's layout."""
    rng = np.random.default_rng(0)
    weights = rng.random((vertices, 24))
    regressor = rng.random((24, vertices))
    return {
        "v_template": rng.normal(size=(vertices, 3)),
        "shapedirs": 0.1 * rng.normal(size=(vertices, 3, betas)),
        "posedirs": 0.01 * rng.normal(size=(vertices, 3, 207)),
        "J_regressor": regressor / regressor.sum(1, keepdims=True),
        "kintree_table": np.array([[2**32 - 1, *PARENTS[1:]], range(24)], dtype=np.uint32),
        "weights": weights / weights.sum(1, keepdims=True),
        "f": rng.integers(0, vertices, (60, 3)).astype(np.uint32),
    }


def random_motion(seed: int, *batch: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return (
        0.5 * torch.randn(*batch, 24, 3, generator=generator),
        torch.randn(*batch, 3, generator=generator),
        torch.randn(*batch, 10, generator=generator),
    )


class TestAsset:
    def test_is_small_and_of_smpl_shapes(self, arrays: dict[str, np.ndarray]) -> None:
        assert len(ASSET.read_bytes()) < 4e6
        vertices = len(arrays["v_template"])
        assert 3000 <= vertices <= 7000
        assert arrays["shapedirs"].shape == (vertices, 3, 10)
        assert arrays["posedirs"].shape == (vertices, 3, 207)
        assert arrays["J_regressor"].shape == (24, vertices)
        assert arrays["weights"].shape == (vertices, 24)

    def test_weights_and_regressor_are_convex(self, arrays: dict[str, np.ndarray]) -> None:
        for name in ("weights", "J_regressor"):
            assert arrays[name].min() >= 0
            np.testing.assert_allclose(arrays[name].sum(1), 1, atol=1e-5)
        assert (arrays["J_regressor"] > 0).sum(1).max() <= 100

    def test_mesh_is_closed_and_faces_outwards(self, arrays: dict[str, np.ndarray]) -> None:
        faces, vertices = arrays["f"].astype(int), arrays["v_template"].astype(float)
        directed = {(int(f[i]), int(f[(i + 1) % 3])) for f in faces for i in range(3)}
        assert len(directed) == 3 * len(faces)
        assert all((b, a) in directed for a, b in directed)
        assert len(vertices) - len(directed) // 2 + len(faces) == 2  # one sphere: Euler's formula
        corners = vertices[faces]
        volume = np.einsum("fa,fa->", np.cross(corners[:, 0], corners[:, 1]), corners[:, 2]) / 6
        assert 0.05 < volume < 0.11

    def test_tpose(self, body: Body) -> None:
        joints = body.rest_joints(torch.zeros(10))
        vertices = body.rest_vertices(torch.zeros(10))
        for side, sign in (("left", 1), ("right", -1)):
            shoulder, elbow, wrist = (joints[JOINT[f"{side}_{name}"]] for name in ("shoulder", "elbow", "wrist"))
            arm = torch.stack((elbow - shoulder, wrist - elbow))
            arm = arm / arm.norm(dim=1, keepdim=True)
            assert (arm[:, 0] * sign > math.cos(math.radians(2))).all()
            hip, knee, ankle, foot = (joints[JOINT[f"{side}_{name}"]] for name in ("hip", "knee", "ankle", "foot"))
            leg = torch.stack((knee - hip, ankle - knee))
            leg = leg / leg.norm(dim=1, keepdim=True)
            assert (leg[:, 1] < -math.cos(math.radians(2))).all()
            assert foot[2] - ankle[2] > 0.1  # facing +z
        assert 1.6 < vertices[:, 1].max() - vertices[:, 1].min() < 1.8
        # The soles are flat: heels and balls of both feet touch one floor.
        floor = vertices[:, 1].min()
        for joint in ("left_ankle", "left_foot", "right_ankle", "right_foot"):
            near = (vertices[:, [0, 2]] - joints[JOINT[joint]][[0, 2]]).norm(dim=1) < 0.05
            assert vertices[near, 1].min() - floor < 0.01

    @pytest.mark.parametrize("seed", [0, 1])
    def test_skeleton_is_symmetric_for_every_shape(self, body: Body, seed: int) -> None:
        joints = body.rest_joints(random_motion(seed)[2])
        mirrored = joints[list(MIRROR)] * torch.tensor([-1.0, 1.0, 1.0])
        torch.testing.assert_close(joints, mirrored, atol=1e-5, rtol=0)

    def test_palms_face_down_and_elbows_bend_forwards(self, body: Body) -> None:
        joints = body.rest_joints(torch.zeros(10))
        hand = body.rest_vertices(torch.zeros(10))[body.lbs_weights[:, JOINT["left_hand"]] > 0.9]
        spread = hand - hand.mean(0)
        thinnest = torch.linalg.svd(spread, full_matrices=False)[2][2]
        assert abs(thinnest[1]) > 0.8  # the hand is flat like a table
        poses = torch.zeros(24, 3)
        poses[JOINT["left_elbow"]] = torch.tensor([0.0, -1.2, 0.0])
        posed = body.pose(poses, torch.zeros(3), torch.zeros(10)).joints
        assert posed[JOINT["left_wrist"], 2] > joints[JOINT["left_wrist"], 2] + 0.15

    def test_reference_is_the_body_at_betas_zero(self, body: Body) -> None:
        torch.testing.assert_close(reference_rest_joints(), body.rest_joints(torch.zeros(10)), atol=1e-6, rtol=0)


class TestPose:
    def test_joints_agree_with_forward_kinematics(self, body: Body) -> None:
        poses, trans, betas = random_motion(2, 2, 3)
        mesh = body.pose(poses, trans, betas)
        positions, _ = forward_kinematics(rotvec_to_matrix(poses), trans, body.rest_joints(betas))
        torch.testing.assert_close(mesh.joints, positions, atol=1e-5, rtol=0)
        torch.testing.assert_close(mesh.joints[..., 0, :], trans)

    def test_vertices_agree_with_written_out_skinning(self, body: Body) -> None:
        poses, trans, betas = random_motion(3, 2)
        mesh = body.pose(poses, trans, betas)
        rest, rest_joints = body.rest_vertices(betas), body.rest_joints(betas)
        joints, turns = forward_kinematics(rotvec_to_matrix(poses), trans, rest_joints)
        expected = torch.zeros_like(mesh.vertices)
        for j in range(24):
            moved = (rest - rest_joints[:, j : j + 1]) @ turns[:, j].transpose(-1, -2) + joints[:, j : j + 1]
            expected += body.lbs_weights[:, j, None] * moved
        torch.testing.assert_close(mesh.vertices, expected, atol=1e-5, rtol=0)

    def test_upright_person_stands_along_z_and_faces_minus_y(self, body: Body) -> None:
        poses = torch.zeros(24, 3)
        poses[0, 0] = math.pi / 2
        joints = body.pose(poses, torch.tensor([1.0, 2.0, 0.9]), torch.zeros(10)).joints
        assert joints[JOINT["head"], 2] > 1.4
        assert joints[JOINT["left_foot"], 1] < joints[JOINT["left_ankle"], 1] - 0.1
        assert joints[JOINT["left_wrist"], 0] > 1.5

    def test_one_shape_serves_a_whole_batch(self, body: Body) -> None:
        poses, trans, _ = random_motion(4, 2, 3)
        betas = torch.randn(10, generator=torch.Generator().manual_seed(5))
        one = body.pose(poses, trans, betas)
        each = body.pose(poses, trans, betas.expand(2, 3, 10))
        assert one.vertices.shape[:2] == (2, 3)
        torch.testing.assert_close(one.vertices, each.vertices)

    def test_gradients(self, tmp_path: Path) -> None:
        np.savez(tmp_path / "tiny.npz", **tiny_smpl())
        body = load_body(tmp_path / "tiny.npz").double()
        poses, trans, betas = (t.double().requires_grad_() for t in random_motion(6, 1))
        assert torch.autograd.gradcheck(lambda *x: body.pose(*x).joints.sum(-2), (poses, trans, betas), fast_mode=True)


class TestLicensedFile:
    def test_npz_in_smpl_layout(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        content = tiny_smpl(betas=300)
        np.savez(tmp_path / "SMPL_NEUTRAL.npz", **content)
        body = load_body(tmp_path / "SMPL_NEUTRAL.npz")
        betas = random_motion(7)[2]
        expected = content["J_regressor"] @ (content["v_template"] + content["shapedirs"][..., :10] @ betas.numpy())
        np.testing.assert_allclose(body.rest_joints(betas).numpy(), expected, atol=1e-5)
        assert body.faces.shape == (60, 3)
        assert capsys.readouterr().out == ""

    def test_pickle_with_sparse_regressor(self, tmp_path: Path) -> None:
        content = tiny_smpl()
        np.savez(tmp_path / "a.npz", **content)
        pickled = content | {"J_regressor": scipy.sparse.csc_matrix(content["J_regressor"])}
        (tmp_path / "a.pkl").write_bytes(pickle.dumps(pickled))
        motion = random_motion(8, 2)
        expected = load_body(tmp_path / "a.npz").pose(*motion).vertices
        torch.testing.assert_close(load_body(tmp_path / "a.pkl").pose(*motion).vertices, expected)

    def test_missing_file(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="there is none at"):
            load_body(tmp_path / "SMPL_NEUTRAL.npz")

    def test_wrong_ending(self, tmp_path: Path) -> None:
        (tmp_path / "SMPL_NEUTRAL.txt").write_text("")
        with pytest.raises(UserError, match=r"ending in \.npz or \.pkl"):
            load_body(tmp_path / "SMPL_NEUTRAL.txt")

    @pytest.mark.parametrize("keep", [0, 10, 2000])
    def test_truncated_npz(self, tmp_path: Path, keep: int) -> None:
        whole = io.BytesIO()
        np.savez(whole, **tiny_smpl())
        (tmp_path / "cut.npz").write_bytes(whole.getvalue()[:keep])
        with pytest.raises(UserError, match=r"cut\.npz"):
            load_body(tmp_path / "cut.npz")

    def test_truncated_pickle(self, tmp_path: Path) -> None:
        (tmp_path / "cut.pkl").write_bytes(pickle.dumps(tiny_smpl())[:500])
        with pytest.raises(UserError, match="smplx cannot read it"):
            load_body(tmp_path / "cut.pkl")

    def test_missing_array(self, tmp_path: Path) -> None:
        content = tiny_smpl()
        del content["posedirs"]
        np.savez(tmp_path / "a.npz", **content)
        with pytest.raises(UserError, match="posedirs"):
            load_body(tmp_path / "a.npz")

    def test_other_tree(self, tmp_path: Path) -> None:
        content = tiny_smpl()
        content["kintree_table"] = np.array([[0, *range(51)], range(52)])
        np.savez(tmp_path / "smplh.npz", **content)
        with pytest.raises(UserError, match="SMPL-H"):
            load_body(tmp_path / "smplh.npz")

    def test_wrong_shape(self, tmp_path: Path) -> None:
        content = tiny_smpl()
        content["weights"] = content["weights"][:, :20]
        np.savez(tmp_path / "a.npz", **content)
        with pytest.raises(UserError, match="lbs_weights"):
            load_body(tmp_path / "a.npz")

    def test_python_objects_in_npz_are_refused(self, tmp_path: Path) -> None:
        content: dict[str, np.ndarray] = tiny_smpl()
        content["J_regressor"] = np.array({"a": 1}, dtype=object)
        np.savez(tmp_path / "a.npz", allow_pickle=True, **content)
        with pytest.raises(UserError, match="Python objects"):
            load_body(tmp_path / "a.npz")

    def test_pickle_that_needs_chumpy(self, tmp_path: Path) -> None:
        # What a pickle holds of a chumpy array: a call of a class in the module chumpy.
        (tmp_path / "a.pkl").write_bytes(b"cchumpy\nCh\n.")
        with pytest.raises(UserError, match="chumpy"):
            load_body(tmp_path / "a.pkl")
