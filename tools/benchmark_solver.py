"""Seconds and memory of the joint optimisation against L-BFGS and Adam on the same energy.

    python tools/benchmark_solver.py --frames 300 3000 --persons 1 3

People of smooth random motion are seen with 3 px noise, a tenth of the points missing and a twentieth 80 px off, with
pose labels 0.2 rad off. The energy is that of the "pose" stage without contacts; all start at the same place and follow
the same graduated kernel. The solver runs to its own convergence test; the rivals get exact gradients by automatic
differentiation in double precision and run until they are within a thousandth of its energy, or have used `--limit`
times its seconds. Every measurement is a process of its own, on one thread; seconds are of the processor.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation
from torch import Tensor
from tqdm import tqdm

from carescene.humans.kinematics import forward_kinematics
from carescene.humans.rotations import matrix_to_rotvec, rotvec_to_matrix
from carescene.humans.turns import exp_turn
from carescene.simulation.pose_limits import NEUTRAL
from reconstruction.camera_parameters import camera_of, parameters_of, plain_camera
from reconstruction.chains import USUAL_FPS, landmark_points, stature_model
from reconstruction.landmarks import free_landmarks
from reconstruction.observations import LANDMARKS, Keypoints, PoseLabels
from reconstruction.optimiser import Optimiser
from reconstruction.posed import FREE_JOINTS, place_points, pose_body
from reconstruction.problem import Problem
from reconstruction.residuals_pose import JOINT_RANGES
from reconstruction.schedule import SolverOptions
from reconstruction.sigmas import SMOOTH_JOINTS
from reconstruction.window import NUM_OFFSETS, OFFSET_BASIS

OPTIONS = SolverOptions(contact_iterations=0, tolerance=1e-3, pose_iterations=25)
# Steps that a rival spends on each width of the kernel before the last.
WARM_STEPS = {"lbfgs": 20, "adam": 60}
CLOSE = 1.001


def made_problem(frames: int, persons: int, seed: int = 0) -> Problem:
    """People who stroll about and move all joints smoothly, as a detector and a network would see them."""
    rng = np.random.default_rng(seed)
    model, points = free_landmarks(), landmark_points(free_landmarks())
    camera = camera_of(np.array([np.log(900.0), 0.35, 0.02, np.log(2.4), -0.05]), plain_camera(1280, 720, 900))

    def smooth(shape: tuple[int, ...], size: float, width: float) -> np.ndarray:
        noise = gaussian_filter1d(rng.standard_normal(shape), width, axis=1, mode="wrap")
        return size * noise / noise.std()

    turns = smooth((persons, frames, 24, 3), 0.25, 8.0)
    upright = Rotation.from_euler("x", 90, degrees=True).as_matrix()
    rotations = NEUTRAL @ exp_turn(turns)
    facing = smooth((persons, frames, 1), 1.0, 30.0)
    rotations[:, :, 0] = exp_turn(facing * [0.0, 0.0, 1.0]) @ upright @ exp_turn(0.3 * turns[:, :, 0])
    trans = smooth((persons, frames, 3), 1.0, 40.0) * [0.8, 0.6, 0.03] + [0.0, 5.5, 0.95]
    trans[..., 0] += 1.2 * (np.arange(persons)[:, None] - (persons - 1) / 2)
    betas = 0.5 * rng.standard_normal((persons, 10))
    pixels = np.zeros((persons, frames, len(LANDMARKS), 2))
    for person in range(persons):
        posed = pose_body(model, rotations[person], trans[person], betas[person])
        pixels[person], _ = camera.project(place_points(posed, points.carrier, points.of(betas[person])))
    pixels += 3 * rng.standard_normal(pixels.shape)
    off = rng.random(pixels.shape[:3]) < 0.05
    pixels[off] += 80 * rng.standard_normal((int(off.sum()), 2))
    confidence = (rng.random(pixels.shape[:3]) > 0.1).astype(np.float64)
    pixels[confidence == 0] = np.nan
    keypoints = Keypoints(
        np.arange(frames) / 20, np.arange(frames), 1280, 720, pixels, confidence, np.full(confidence.shape, 3.0),
        tuple(f"person {index}" for index in range(persons)), "made",
    )  # fmt: skip
    seen = rotations.copy()
    seen[:, :, 0] = camera.rotation @ seen[:, :, 0]
    means = seen @ exp_turn(smooth((persons, frames, 24, 3), 0.2, 4.0))
    covariance = np.broadcast_to(0.04 * np.eye(72, dtype=np.float32), (persons, frames, 72, 72))
    labels = PoseLabels(means, covariance, np.ones((persons, frames), bool), "made")
    spread = np.array([0.05, 0.02, 0.01, 0.04, 0.02])
    prior = camera_of(parameters_of(camera) + spread * rng.standard_normal(5), camera)
    return Problem(keypoints, prior, np.diag(spread**2), np.full(persons, 1.7), np.full(persons, 0.08), labels=labels)


class TorchEnergy:
    """The same energy, written for automatic differentiation; turns are on the right of the initial rotations."""

    def __init__(self, optimiser: Optimiser) -> None:
        self.problem, self.options = optimiser.problem, optimiser.options
        state, self.chains = optimiser.run.state, optimiser.chains

        def tensor(values: np.ndarray) -> Tensor:
            return torch.from_numpy(np.asarray(values, np.float64))

        self.start, self.tensor = tensor(state.rotations), tensor
        self.unknowns = [
            torch.zeros(*state.trans.shape[:2], len(FREE_JOINTS), 3, dtype=torch.float64),
            tensor(state.trans.copy()), tensor(state.betas.copy()), tensor(state.camera.copy()),
            torch.zeros(NUM_OFFSETS, dtype=torch.float64),
        ]  # fmt: skip
        for unknown in self.unknowns:
            unknown.requires_grad_()
        model = free_landmarks()
        self.carrier = torch.from_numpy(model.carrier)
        self.parts = [tensor(part) for part in (model.joints, model.joint_shapes, model.offsets, model.offset_shapes)]
        self.basis, self.prior = tensor(OFFSET_BASIS), tensor(parameters_of(self.problem.camera))
        assert self.problem.camera_covariance is not None, "the made problem has a plain prior"
        self.camera_information = torch.linalg.inv(tensor(self.problem.camera_covariance))
        names = ("pixels", "precision", "label_means", "label_information", "differences", "steps", "time_weight")
        self.fixed = [
            {name: tensor(getattr(chain, name)) for name in (*names, "frame_weight")} for chain in self.chains
        ]

    def __call__(self, kernel: float, forward: Tensor) -> Tensor:
        """Energy with a kernel of this width; `forward` is the view axis, held as in an iteration of the solver."""
        sigmas = self.options.sigmas
        turns, _, betas, camera, offsets = self.unknowns
        off = camera - self.prior
        total = sigmas.repeats * (off @ self.camera_information @ off + (offsets**2).sum() / sigmas.offset**2) / 2
        stature = stature_model()
        linear, square = self.tensor(stature.linear), self.tensor(stature.square)
        for index, chain in enumerate(self.chains):
            own = betas[chain.person]
            height = stature.constant + linear @ own + own @ square @ own
            miss = (height - float(self.problem.stature[chain.person])) / float(
                self.problem.stature_sigma[chain.person]
            )
            total = total + sigmas.repeats * ((own**2).sum() / sigmas.shape**2 + miss**2) / 2
            total = total + self._person(index, turns, own, height, kernel, forward)
        return total

    def rotation(self) -> Tensor:
        """World to camera."""
        _, pitch, roll, _, _ = self.unknowns[3]
        zero, one = torch.zeros_like(pitch), torch.ones_like(pitch)
        level = torch.stack(
            [one, zero, zero, zero, -pitch.sin(), -pitch.cos(), zero, pitch.cos(), -pitch.sin()]
        ).reshape(3, 3)
        turned = torch.stack([roll.cos(), -roll.sin(), zero, roll.sin(), roll.cos(), zero, zero, zero, one])
        return turned.reshape(3, 3) @ level

    def _person(
        self, index: int, turns: Tensor, betas: Tensor, height: Tensor, kernel: float, forward: Tensor
    ) -> Tensor:
        sigmas, fixed, person = self.options.sigmas, self.fixed[index], self.chains[index].person
        _, trans, _, camera, offsets = self.unknowns
        joints, joint_shapes, places, place_shapes = self.parts
        whole = torch.eye(3, dtype=torch.float64).repeat(turns.shape[1], 24, 1, 1)
        free = list(FREE_JOINTS)
        whole = whole.index_copy(1, torch.tensor(free), rotvec_to_matrix(turns[person]))
        rotations = self.start[person] @ whole
        positions, world = forward_kinematics(rotations, trans[person], joints + joint_shapes @ betas)
        own = places + place_shapes @ betas + self.basis @ offsets
        points = positions[:, self.carrier] + (world[:, self.carrier] @ own[..., None])[..., 0]
        view = self.rotation()
        eye = torch.stack([torch.zeros_like(camera[3]), torch.zeros_like(camera[3]), camera[3].exp()])
        seen = (points - eye) @ view.T
        flat = seen[..., :2] / seen[..., 2:]
        principal = self.tensor(self.problem.camera.principal)
        pixels = camera[0].exp() * flat * (1 + camera[4] * (flat**2).sum(-1, keepdim=True)) + principal
        squares = ((pixels - fixed["pixels"]) * fixed["precision"][..., None]).square().sum(-1)
        total = (kernel**2 * squares / (kernel**2 + squares)).sum() / 2
        relative = torch.cat([view @ rotations[:, :1], rotations[:, 1:]], dim=1)[:, free]
        label = matrix_to_rotvec(fixed["label_means"][:, free].transpose(-1, -2) @ relative).flatten(1)
        squares = torch.einsum("fi,fij,fj->f", label, fixed["label_information"], label)
        temper = (fixed["frame_weight"] / USUAL_FPS / sigmas.label_memory).clamp(max=1)
        total = total + (temper * sigmas.label_freedom * torch.log1p(squares / sigmas.label_freedom)).sum() / 2
        smooth, share = list(SMOOTH_JOINTS), self.tensor(np.array(list(SMOOTH_JOINTS.values())))
        moving, factors = positions[:, smooth], fixed["differences"][:-2]
        acceleration = torch.zeros_like(moving[:-2])
        for a in range(3):
            acceleration = acceleration + factors[:, a, None, None] * moving[a : len(moving) - 2 + a]
        narrower = self.problem.camera.focal / camera[0].exp()
        deep = (acceleration[:, :1] @ forward)[..., None] * forward
        acceleration = (acceleration + (narrower - 1) * deep) * 1.7 / height
        squares = acceleration.square().sum(-1) / (sigmas.acceleration * share) ** 2
        width, weight = sigmas.acceleration_kernel**2, fixed["time_weight"][:-2]
        total = total + (weight[:, None] * width * (torch.sqrt(1 + squares / width) - 1)).sum()
        spins = matrix_to_rotvec(rotations[:-1, free].transpose(-1, -2) @ rotations[1:, free])
        rates = 1 / fixed["steps"][:-1, None, None]
        change = (spins[1:] * rates[1:] - spins[:-1] * rates[:-1]) * (2 / (1 / rates[1:] + 1 / rates[:-1]))
        total = total + (weight[:, None, None] * change**2).sum() / sigmas.turning**2 / 2
        inner = [joint for joint in free if joint]
        vectors = matrix_to_rotvec(self.tensor(NEUTRAL[inner]).transpose(-1, -2) @ rotations[:, inner])
        low, high = self.tensor(JOINT_RANGES[inner, 0]), self.tensor(JOINT_RANGES[inner, 1])
        over = (vectors - high).clamp(min=0) + (vectors - low).clamp(max=0)
        return total + (over**2).sum() / sigmas.limit**2 / 2


def run_solver(problem: Problem) -> dict[str, float]:
    """Our solver, from start to its own end."""
    started = time.process_time()
    optimiser = Optimiser(problem, options=OPTIONS)
    while not optimiser.done:
        optimiser.step()
    return {
        "seconds": time.process_time() - started, "energy": optimiser.run.energies[-1]["total"],
        "steps": len(optimiser.run.energies), "reached": 1.0,
    }  # fmt: skip


def run_rival(problem: Problem, name: str, target: float, limit: float) -> dict[str, float]:
    """L-BFGS with strong Wolfe conditions, or Adam, until close to `target` or for `limit` seconds."""
    started = time.process_time()
    energy = TorchEnergy(Optimiser(problem, options=OPTIONS))
    # The kernel narrows as the solver's does.
    widths = sorted({OPTIONS.kernel(1, rounds) for rounds in range(20)}, reverse=True)
    steps, best, reached = 0, np.inf, 0.0
    for width in widths:
        last = width == widths[-1]
        optimiser = (
            torch.optim.LBFGS(energy.unknowns, lr=1, max_iter=20, history_size=20, line_search_fn="strong_wolfe")
            if name == "lbfgs"
            else torch.optim.Adam(energy.unknowns, lr=0.01)
        )
        count = 0
        while count < WARM_STEPS[name] or last:
            forward = energy.rotation()[2].detach()

            def closure(width: float = width, forward: Tensor = forward, optimiser: torch.optim.Optimizer = optimiser):
                optimiser.zero_grad()
                cost = energy(width, forward)
                cost.backward()
                return cost

            value = float(torch.as_tensor(optimiser.step(closure)).detach())
            count, steps = count + (20 if name == "lbfgs" else 1), steps + 1
            if last:
                best = min(best, value)
                reached = float(best <= CLOSE * target)
            if reached or time.process_time() - started > limit:
                break
        if time.process_time() - started > limit:
            break
    return {"seconds": time.process_time() - started, "energy": best, "steps": steps, "reached": reached}


def same_energy(problem: Problem) -> float:
    """Largest relative difference of the two energies at the start, over all widths of the kernel."""
    optimiser = Optimiser(problem, options=OPTIONS)
    energy, worst = TorchEnergy(optimiser), 0.0
    optimiser.run.stage = 1
    for rounds in (0, 3, 9):
        optimiser.run.round = rounds
        contexts = optimiser.contexts()
        ours = sum(optimiser.energies_of(optimiser.take(optimiser.run.state), contexts, FREE_JOINTS).values())
        forward = torch.from_numpy(contexts[0].forward)
        worst = max(worst, abs(float(energy(contexts[0].kernel, forward).detach()) / ours - 1))
    return worst


def measure(frames: int, persons: int, solver: str, target: float = 0.0, limit: float = 0.0) -> dict[str, float]:
    """One measurement in a process of its own."""
    command = [
        sys.executable, __file__, "--frames", str(frames), "--persons", str(persons), "--only", solver,
        "--target", str(target), "--limit", str(limit),
    ]  # fmt: skip
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, nargs="+", default=[300, 3000])
    parser.add_argument("--persons", type=int, nargs="+", default=[1, 3])
    parser.add_argument("--limit", type=float, default=6.0, help="rivals may use this many times the solver's seconds")
    parser.add_argument("--only", choices=("ours", "lbfgs", "adam", "same"), help="one measurement, as JSON")
    parser.add_argument("--target", type=float, default=0.0, help="with --only: energy to reach")
    options = parser.parse_args()
    if options.only:
        torch.set_num_threads(1)
        problem = made_problem(options.frames[0], options.persons[0])
        runs: dict[str, Callable[[], dict[str, float]]] = {
            "ours": lambda: run_solver(problem),
            "same": lambda: {"difference": same_energy(problem)},
        }
        rival = lambda: run_rival(problem, options.only, options.target, options.limit)  # noqa: E731
        result = runs.get(options.only, rival)()
        # Kilobytes on Linux.
        result["memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        sys.stdout.write(f"{json.dumps(result)}\n")
        return
    lines = [f"largest relative difference of the two energies: {measure(30, 2, 'same')['difference']:.1e}"]
    lines.append(
        "| frames | people | solver | s CPU | ms/frame/person | steps | energy | reached | peak MB | times ours |"
    )
    lines.append("|---|---|---|---|---|---|---|---|---|---|")
    cases = [(frames, persons) for frames in options.frames for persons in options.persons]
    for frames, persons in tqdm(cases, unit="case"):
        ours = measure(frames, persons, "ours")
        rows = {"ours": ours}
        for name in ("lbfgs", "adam"):
            rows[name] = measure(frames, persons, name, ours["energy"], options.limit * ours["seconds"])
        for name, row in rows.items():
            each = 1000 * row["seconds"] / frames / persons
            lines.append(
                f"| {frames} | {persons} | {name} | {row['seconds']:.1f} | {each:.1f} | {row['steps']:.0f} | "
                f"{row['energy']:.1f} | {'yes' if row['reached'] else 'no'} | {row['memory_mb']:.0f} | "
                f"{row['seconds'] / ours['seconds']:.1f} |"
            )
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
