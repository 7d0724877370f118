"""What a joint optimisation gives: people in metres with error bars."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.linalg import cho_factor, cho_solve

from carescene.clips.clip import Clip, PersonInfo
from carescene.clips.taxonomy import UNKNOWN_LABEL
from carescene.humans.skeleton import NUM_JOINTS, PARENTS
from carescene.humans.turns import log_turn
from carescene.rendering.camera import Camera
from reconstruction.camera_parameters import camera_of
from reconstruction.chains import Chain, stature_model
from reconstruction.energy import CHUNK
from reconstruction.label_spread import label_information, label_scale, limited_by_labels
from reconstruction.observations import LANDMARKS, Keypoints
from reconstruction.optimiser import Optimiser
from reconstruction.posed import FREE_JOINTS, Posed, point_slopes, pose_body
from reconstruction.problem import State
from reconstruction.residuals_pose import label_temper
from reconstruction.residuals_seen import keypoint_distances
from reconstruction.window import CAMERA, Common, Context, make_window

# Keeps the factor positive where nothing at all is known, as a share of the curvature.
_RIDGE = 1e-9


@dataclass(frozen=True)
class Solution:
    """People, camera and error bars; frames are those of the key points, NaN where a person is not active.

    Attributes:
        state: all unknowns.
        camera: standing above (0, 0), looking towards +y.
        valid: frames in which each person was solved for.
        turn_std: of each joint's turn about the axes of its own frame, radians.
        joint_std: of each joint's position along each axis of the world, metres. Depth is known worst by far: one
            number for all three axes would be too small for it and too large for the others.
        trans_std: of the pelvis along each axis of the world, metres.
        camera_std: of (log focal length, pitch, roll, log height, k1).
        stature, stature_std: height of each person, metres.
        energies: of every iteration, by term, with "total", "gained", "iteration", "stage".
        joints: positions, metres.
        reprojection: distance of each key point from its landmark in pixels, NaN where unseen.
        inlier: weight of each key point, 1 for one that fits, 0 for an outlier or one that is missing.
        contact: probability that each of `reconstruction.chains.contact_points()` rests on something.
    """

    state: State
    camera: Camera
    valid: Bool[np.ndarray, "person frame"]
    turn_std: Float[np.ndarray, "person frame 24 3"]
    joint_std: Float[np.ndarray, "person frame 24 3"]
    trans_std: Float[np.ndarray, "person frame 3"]
    camera_std: Float[np.ndarray, "5"]
    stature: Float[np.ndarray, "person"]
    stature_std: Float[np.ndarray, "person"]
    energies: list[dict[str, float]]
    joints: Float[np.ndarray, "person frame 24 3"]
    reprojection: Float[np.ndarray, "person frame landmark"]
    inlier: Float[np.ndarray, "person frame landmark"]
    contact: Float[np.ndarray, "person frame point"]

    @property
    def pose_std(self) -> Float[np.ndarray, "person frame 24"]:
        """Standard deviation of each joint's turn, radians, root mean square over its axes."""
        return np.sqrt((self.turn_std**2).mean(axis=-1))

    def clip(self, clip_id: str, keypoints: Keypoints) -> Clip:
        """The people as a clip at the key points' own rate; `keypoints` are those that were solved for."""
        persons, frames = self.valid.shape
        steps = np.diff(keypoints.times)
        fps = float(1 / np.median(steps)) if len(steps) else 20.0
        infos = [PersonInfo(height_m=float(height)) for height in self.stature]
        return Clip(
            id=clip_id,
            fps=fps,
            poses=log_turn(self.state.rotations).astype(np.float32),
            trans=self.state.trans.astype(np.float32),
            betas=self.state.betas.astype(np.float32),
            frame_label=np.full((persons, frames), UNKNOWN_LABEL, np.int8),
            valid=self.valid.copy(),
            persons=infos,
            cameras=[self.camera.to_dict()],
            pose_std=np.nan_to_num(self.pose_std).astype(np.float32),
            trans_std=np.nan_to_num(self.trans_std).astype(np.float32),
        )


def make_solution(optimiser: Optimiser) -> Solution:
    """The state of an optimisation with everything that follows from it: error bars from the same factorisation.

    Variances of a frame's unknowns are the diagonal blocks of the inverse of the person's own equations, plus what the
    uncertainty of the shared unknowns adds. Turns are known at least as well as the frame's own label says, times how
    well the person's labels fit.
    """
    run, problem, scale = optimiser.run, optimiser.problem, optimiser.options.std_scale
    size = (problem.persons, problem.frames)
    valid = np.zeros(size, bool)
    joints, contact_count = np.full((*size, NUM_JOINTS, 3), np.nan), 0
    turn_std, joint_std = (np.full((*size, NUM_JOINTS, 3), np.nan) for _ in range(2))
    trans_std = np.full((*size, 3), np.nan)
    reprojection, inlier = np.full((*size, len(LANDMARKS)), np.nan), np.zeros((*size, len(LANDMARKS)))
    contexts = optimiser.contexts()
    spread = _Spread(optimiser)
    for index, context in enumerate(contexts):
        spread.add(index, context)
    covariance = spread.shared_covariance()
    if contexts[0].contact is not None:
        contact_count = contexts[0].contact.shape[1]
    contact = np.zeros((*size, contact_count))
    stature, stature_std = np.full(problem.persons, np.nan), np.full(problem.persons, np.nan)
    for index, (chain, context) in enumerate(zip(optimiser.chains, contexts, strict=True)):
        person, at = chain.person, (chain.person, chain.frames)
        valid[at] = True
        turns, places, moves = spread.finish(index, covariance)
        turn_std[at], joint_std[at], trans_std[at] = (
            scale * np.sqrt(turns),
            scale * np.sqrt(places),
            scale * np.sqrt(moves),
        )
        joints[at] = spread.joints[index]
        reprojection[at], inlier[at] = _fit(optimiser, index, context)
        if context.contact is not None:
            contact[at] = context.contact
        model, betas = stature_model(), run.state.betas[person]
        own = spread.betas(index)
        slope = model.slope(betas)
        stature[person] = model.of(betas)
        stature_std[person] = scale * np.sqrt(slope @ covariance[own, own] @ slope)
    camera_std = np.zeros(5)
    free = np.flatnonzero(np.isin(spread.unknown, CAMERA))
    camera_std[spread.unknown[free] - CAMERA[0]] = scale * np.sqrt(np.diag(covariance)[free])
    return Solution(
        run.state, camera_of(run.state.camera, problem.camera), valid, turn_std, joint_std, trans_std, camera_std,
        stature, stature_std, list(run.energies), joints, reprojection, inlier, contact,
    )  # fmt: skip


class _Spread:
    """Variances of all chains: first what each would have alone, then what the shared unknowns add."""

    def __init__(self, optimiser: Optimiser) -> None:
        self.optimiser, self.unknown = optimiser, optimiser.shared_unknowns()
        common, _ = optimiser.common_equations()
        width = len(self.unknown) + 10 * len(optimiser.chains)
        self.corner = np.zeros((width, width))
        self.corner[: len(self.unknown), : len(self.unknown)] = common[self.unknown[:, None], self.unknown]
        self.joints: list[np.ndarray] = []
        self._alone: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self._carried: list[np.ndarray] = []

    def betas(self, index: int) -> slice:
        """Where a chain's betas stand among the shared unknowns."""
        first = len(self.unknown) + 10 * index
        return slice(first, first + 10)

    def add(self, index: int, context: Context) -> None:
        """Eliminate one chain and keep its own variances."""
        elimination = self.optimiser.eliminate(index, context, _RIDGE)
        reduced = elimination.finish()
        at = self._columns(index)
        self.corner[at[:, None], at] += reduced.corner
        inverse = elimination.factor.inverse_diagonal()
        frames = len(inverse)
        turns, places, positions = np.empty((3, frames, NUM_JOINTS, 3))
        squares, left, counts = 0.0, 0.0, 3 * len(FREE_JOINTS)
        for part, slopes, posed in self._pieces(index):
            through = (slopes.reshape(len(slopes), -1, slopes.shape[-1]) @ inverse[part]).reshape(slopes.shape)
            places[part] = (through * slopes).sum(axis=-1)
            positions[part] = posed.joints
            # A turn ω in the world is G' ω in the joint's own frame.
            own = posed.world[:, FREE_JOINTS]
            whole, fit, free = self._limited(index, part, posed, inverse[part, 3:, 3:])
            squares, left = squares + fit, left + free
            blocks = np.einsum("fjajb->fjab", whole.reshape(len(slopes), *2 * (len(FREE_JOINTS), 3)))
            turns[part] = _per_joint(((own.swapaxes(-1, -2) @ blocks).swapaxes(-1, -2) * own).sum(axis=-2))
        turns *= label_scale(squares, left, counts)
        self._alone.append((turns, places, np.einsum("fii->fi", inverse)[:, :3].copy()))
        self._carried.append(reduced.carried.reshape(frames, -1, len(at)))
        self.joints.append(positions)

    def shared_covariance(self) -> Float[np.ndarray, "unknown unknown"]:
        """Covariance of all shared unknowns, once all chains are added; frames repeat each other."""
        whole = cho_solve(cho_factor(self.corner, lower=True), np.eye(len(self.corner)))
        return self.optimiser.options.sigmas.repeats * whole

    def finish(self, index: int, covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Variances of turns, joint positions and the pelvis, with the shared unknowns' part."""
        turns, places, moves = self._alone[index]
        carried, at = self._carried[index], self._columns(index)
        root = np.linalg.cholesky(covariance[at[:, None], at])
        turns, places, moves = turns.copy(), places.copy(), moves.copy()
        for part, slopes, posed in self._pieces(index):
            moved = -(slopes.reshape(len(slopes), -1, slopes.shape[-1]) @ carried[part])
            moved[..., -10:] += posed.shapes.reshape(len(slopes), -1, 10)
            places[part] += ((moved @ root) ** 2).sum(-1).reshape(places[part].shape)
            spread = carried[part] @ root
            moves[part] += (spread[:, :3] ** 2).sum(-1)
            turned = spread[:, 3:].reshape(len(slopes), len(FREE_JOINTS), 3, -1)
            own = posed.world[:, FREE_JOINTS].swapaxes(-1, -2)
            turns[part] += _per_joint(((own @ turned) ** 2).sum(-1))
        return turns, places, moves

    def _limited(
        self, index: int, part: slice, posed: Posed, covariance: np.ndarray
    ) -> tuple[np.ndarray, float, float]:
        # Covariances of turns, squared distances from labels, and how many numbers of the labels are left.
        optimiser = self.optimiser
        chain, sigmas = optimiser.chains[index], optimiser.options.sigmas
        labelled, information, squares = label_information(
            chain,
            part,
            posed,
            camera_of(optimiser.run.state.camera, optimiser.problem.camera).rotation,
            sigmas.label_freedom,
        )
        whole = covariance.copy()
        whole[labelled], taken = limited_by_labels(whole[labelled], information)
        # Labels that share their errors count as one.
        temper = label_temper(chain.frame_weight[part][labelled], sigmas)
        return whole, float(temper @ squares), float(temper @ (covariance.shape[-1] - taken))

    def _columns(self, index: int) -> np.ndarray:
        own = self.betas(index)
        return np.concatenate([np.arange(len(self.unknown)), np.arange(own.start, own.stop)])

    def _pieces(self, index: int):
        chain, state = self.optimiser.chains[index], self.optimiser.run.state
        every = np.arange(NUM_JOINTS)
        for start in range(0, len(chain), CHUNK):
            part = slice(start, min(start + CHUNK, len(chain)))
            at = (chain.person, chain.frames[part])
            posed = pose_body(self.optimiser.model, state.rotations[at], state.trans[at], state.betas[chain.person])
            yield part, point_slopes(posed, posed.joints, every), posed


def _per_joint(variances: Float[np.ndarray, "frame free 3"]) -> Float[np.ndarray, "frame 24 3"]:
    """Variances of all joints from those of the free ones; of the others no more is known than of their parents."""
    whole = np.empty((len(variances), NUM_JOINTS, 3))
    whole[:, FREE_JOINTS] = variances
    for joint in set(range(NUM_JOINTS)) - set(FREE_JOINTS):
        whole[:, joint] = whole[:, PARENTS[joint]]
    return whole


def _fit(optimiser: Optimiser, index: int, context: Context) -> tuple[np.ndarray, np.ndarray]:
    chain: Chain = optimiser.chains[index]
    state = optimiser.run.state
    common = Common(camera_of(state.camera, optimiser.problem.camera), state.affinity, state.offsets)
    at = (chain.person, chain.frames)
    rotations, trans, betas = state.rotations[at], state.trans[at], state.betas[chain.person]
    distances, weights = [], []
    for start in range(0, len(chain), CHUNK):
        span = (start, min(start + CHUNK, len(chain)))
        window = make_window(
            chain,
            span,
            rotations,
            trans,
            betas,
            optimiser.model,
            common,
            context,
            optimiser.options.sigmas,
            slopes=False,
        )
        distance, weight = keypoint_distances(window)
        distances.append(distance)
        weights.append(weight)
    return np.concatenate(distances), np.concatenate(weights)
