"""Writes down a simulation frame by frame: coordinates, contacts, velocities, energy, effort."""

# The compiled parts of MuJoCo come without types.
# pyright: reportAttributeAccessIssue=false

import math

import mujoco
import numpy as np
from jaxtyping import Float

from carescene.humans.skeleton import JOINT
from carescene.simulation.convert import from_qpos
from carescene.simulation.humanoid import Humanoid
from carescene.simulation.motion import FRAMES_PER_SECOND, TRUNK, SimulatedMotion
from carescene.simulation.segments import SIMULATED_JOINTS


class Recorder:
    """Arrays that fill as a simulation goes on."""

    def __init__(self, humanoid: Humanoid, model: mujoco.MjModel, frames: int) -> None:
        self.humanoid = humanoid
        self.model = model
        self.qpos = np.zeros((frames, model.nq))
        self.floor = np.zeros((frames, SIMULATED_JOINTS))
        self.furniture = np.zeros((frames, SIMULATED_JOINTS))
        self.objects = np.zeros((frames, len(humanoid.object_ids)))
        self.pelvis_velocity = np.zeros((frames, 3))
        self.head_velocity = np.zeros((frames, 3))
        self.center = np.zeros((frames, 3))
        self.floor_depth = np.zeros(frames)
        self.furniture_depth = np.zeros(frames)
        self.saturation = np.zeros(frames)
        self.energy = np.zeros((frames, 2))
        self.violation = np.zeros(frames)
        self.count = 0
        self.trunk_touches_floor = False
        self.trunk_touches = False
        hinges = model.jnt_type == mujoco.mjtJoint.mjJNT_HINGE
        self._hinge_qpos = model.jnt_qposadr[hinges]
        self._low, self._high = model.jnt_range[hinges].T
        self._ball_limits = model.jnt_range[model.jnt_type == mujoco.mjtJoint.mjJNT_BALL, 1].tolist()
        self._trunk = list(TRUNK)
        self._spin = np.zeros(6)

    def frame(self, data: mujoco.MjData) -> None:
        """Take the state at the beginning of a frame."""
        number, model = self.count, self.model
        self.count += 1
        # A step leaves positions of before it behind: bring them up to the coordinates that are written down.
        mujoco.mj_kinematics(model, data)
        mujoco.mj_comPos(model, data)
        mujoco.mj_comVel(model, data)
        self.qpos[number] = data.qpos
        self.pelvis_velocity[number] = data.qvel[:3]
        head = self.humanoid.joint_body[JOINT["head"]]
        mujoco.mj_objectVelocity(model, data, mujoco.mjtObj.mjOBJ_BODY, int(head), self._spin, 0)
        self.head_velocity[number] = self._spin[3:]
        self.center[number] = data.subtree_com[self.humanoid.joint_body[0]]
        mujoco.mj_energyPos(model, data)
        mujoco.mj_energyVel(model, data)
        self.energy[number] = data.energy[1], data.energy[0]
        limit = model.actuator_forcerange[:, 1]
        self.saturation[number] = float(np.mean(np.abs(data.actuator_force) > 0.99 * limit))
        self.violation[number] = self._outside(data)

    def contacts(self, data: mujoco.MjData, frame: int) -> None:
        """Take the contacts of one tick; the frame keeps the largest force and depth."""
        self.trunk_touches = self.trunk_touches_floor = False
        if data.ncon == 0:
            return
        geoms = data.contact.geom
        joints = self.humanoid.geom_joint[geoms]
        row = data.contact.efc_address
        # The person's parts among themselves are no contact with the world, and contacts left out have no force.
        real = (joints.min(1) < 0) & (row >= 0)
        if not real.any():
            return
        depth = -data.contact.dist[real]
        force = data.efc_force[row[real]]
        joint = joints[real].max(1)
        world = np.where(joints[real, 0] < 0, geoms[real, 0], geoms[real, 1])
        thing = self.humanoid.geom_object[world]
        on_floor = thing < 0
        self.floor_depth[frame] = max(self.floor_depth[frame], float(depth[on_floor].max(initial=0.0)))
        floor = np.bincount(joint[on_floor], force[on_floor], SIMULATED_JOINTS)
        np.maximum(self.floor[frame], floor, out=self.floor[frame])
        self.trunk_touches_floor = bool(floor[self._trunk].any())
        self.trunk_touches = self.trunk_touches_floor
        if not on_floor.all():
            self.furniture_depth[frame] = max(self.furniture_depth[frame], float(depth[~on_floor].max()))
            own = np.bincount(joint[~on_floor], force[~on_floor], SIMULATED_JOINTS)
            np.maximum(self.furniture[frame], own, out=self.furniture[frame])
            each = np.bincount(thing[~on_floor], force[~on_floor], self.objects.shape[1])
            np.maximum(self.objects[frame], each, out=self.objects[frame])
            self.trunk_touches |= bool(own[self._trunk].any())

    def motion(self, hands: Float[np.ndarray, "frame 2 3"], fps: float, impact_s: float | None) -> SimulatedMotion:
        """Everything that was written down; the hands take their pose from the reference's nearest frame."""
        poses, trans = from_qpos(self.humanoid, self.qpos)
        nearest = np.minimum(np.round(np.arange(len(poses)) / FRAMES_PER_SECOND * fps).astype(int), len(hands) - 1)
        poses[:, SIMULATED_JOINTS:] = hands[nearest]
        return SimulatedMotion(
            poses=poses,
            trans=trans,
            floor_force=self.floor,
            furniture_force=self.furniture,
            object_force=self.objects,
            pelvis_velocity=self.pelvis_velocity,
            head_velocity=self.head_velocity,
            center_of_mass=self.center,
            floor_depth=self.floor_depth,
            furniture_depth=self.furniture_depth,
            saturation=self.saturation,
            energy=self.energy,
            limit_violation=self.violation,
            object_ids=self.humanoid.object_ids,
            impact_s=impact_s,
        )

    def _outside(self, data: mujoco.MjData) -> float:
        angle = data.qpos[self._hinge_qpos]
        worst = max(float((self._low - angle).max()), float((angle - self._high).max()))
        for start, limit in zip(self.humanoid.ball_qpos, self._ball_limits, strict=True):
            turn = 2 * math.acos(min(1.0, abs(float(data.qpos[start]))))
            worst = max(worst, turn - limit)
        return max(worst, 0.0)
