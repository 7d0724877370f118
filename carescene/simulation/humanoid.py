"""The simulated person: a MuJoCo model made from the body's own shape, with published masses and ranges of motion."""

# The compiled parts of MuJoCo come without types.
# pyright: reportAttributeAccessIssue=false

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

import mujoco
import numpy as np
import torch
from jaxtyping import Float, Int

from carescene.errors import UserError
from carescene.humans.anthropometry import Sex, describe_body
from carescene.humans.body import Body, load_body
from carescene.humans.skeleton import JOINT, JOINT_NAMES, PARENTS
from carescene.scenes.scene import SceneObject
from carescene.simulation.body_shapes import Capsule, body_capsules
from carescene.simulation.furniture_shapes import add_solid, furniture_solids, numbers, quaternion
from carescene.simulation.segments import SHOULDER_MIDDLE, SIMULATED_JOINTS, joint_spec, segment_masses

# Half a hundredth of a second: stable with the gains used, ten steps per frame at 20 fps.
TIME_STEP: Final = 0.005

FLOOR_FRICTION: Final = 0.8

# Contacts between the person's own parts that matter to the eye: arms with trunk and thighs, one leg with the other.
# All other pairs are neighbours, or overlap at rest.
_OWN_CONTACTS: Final[tuple[tuple[str, str], ...]] = (
    *(
        (f"{side}_{arm}", other)
        for side in ("left", "right")
        for arm in ("elbow", "wrist")
        for other in ("pelvis", "spine2", "spine3", "head", "left_hip", "right_hip")
    ),
    ("left_knee", "right_knee"),
    ("left_ankle", "right_ankle"),
    ("left_knee", "right_ankle"),
    ("left_ankle", "right_knee"),
    ("left_elbow", "right_elbow"),
)

# The body's flesh: settles within this time, and yields by some millimetres.
_SKIN_SOLREF: Final = "0.014 1"
_SKIN_SOLIMP: Final = "0.8 0.95 0.01"


@dataclass(frozen=True)
class PersonBody:
    """Who falls: shape, weight in kilograms, age in years, sex. What is None is read from the shape."""

    betas: Float[np.ndarray, "10"]
    weight_kg: float | int | None = None
    age_years: float | int | None = None
    sex: Sex | None = None

    def filled(self) -> "PersonBody":
        """The same person with all facts known.

        Raises:
            UserError: for a weight or an age that no adult has.
        """
        known = describe_body(torch.from_numpy(np.asarray(self.betas, np.float32)))
        weight = known.weight_kg if self.weight_kg is None else self.weight_kg
        age = known.age_years if self.age_years is None else self.age_years
        if not 25 <= weight <= 300:
            raise UserError(f"Expected a weight from 25 to 300 kg, but got {weight}. Check the unit.")
        if not 0 < age <= 120:
            raise UserError(f"Expected an age from 1 to 120 years, but got {age}. Check the value.")
        return PersonBody(np.asarray(self.betas, np.float64), float(weight), float(age), self.sex or known.sex)


@dataclass(frozen=True)
class Humanoid:
    """A compiled model and where its parts are found in it.

    Attributes:
        model: MuJoCo's model; copy it before changing it.
        person: everything known about the person.
        rest_joints: of the body, in the rest frame, metres.
        hinges: SMPL joints that are three hinges, and `hinge_qpos` the first of their angles in `qpos`.
        hinge_axes: index of the axes of the three hinges of each, outermost first.
        balls: SMPL joints that are balls (the shoulders); `ball_qpos` the first number of their quaternion.
        ball_middle: rotations that the balls' zero stands for; `ball_start` the quaternions of their rest pose.
        dof_joint: SMPL joint of each degree of freedom; the pelvis (0) has the first six.
        body_joint: SMPL joint of each MuJoCo body, -1 for the world; `joint_body` is the inverse.
        geom_joint: SMPL joint of each geom, -1 for floor and furniture.
        geom_object: index of the furniture of each geom, -1 for the floor and the person.
    """

    model: mujoco.MjModel
    person: PersonBody
    rest_joints: Float[np.ndarray, "24 3"]
    hinges: Int[np.ndarray, "hinge"]
    hinge_qpos: Int[np.ndarray, "hinge"]
    hinge_dof: Int[np.ndarray, "hinge"]
    hinge_axes: Int[np.ndarray, "hinge 3"]
    balls: Int[np.ndarray, "ball"]
    ball_qpos: Int[np.ndarray, "ball"]
    ball_dof: Int[np.ndarray, "ball"]
    ball_middle: Float[np.ndarray, "ball 3 3"]
    ball_start: Float[np.ndarray, "ball 4"]
    dof_joint: Int[np.ndarray, "dof"]
    body_joint: Int[np.ndarray, "body"]
    joint_body: Int[np.ndarray, "22"]
    geom_joint: Int[np.ndarray, "geom"]
    geom_object: Int[np.ndarray, "geom"]
    object_ids: tuple[str, ...] = field(default=())

    @property
    def weight_kg(self) -> float:
        """Mass of the whole person."""
        return float(self.person.weight_kg or 0.0)


def build_humanoid(person: PersonBody, furniture: Sequence[SceneObject] = (), *, body: Body | None = None) -> Humanoid:
    """Compile the model of a person and the furniture around, on a floor at z = 0.

    Joints are where the body's rest joints are; masses are de Leva's shares of the weight; geoms are capsules fitted
    to the body's skin.

    Args:
        body: body model; None takes the bundled one.

    Raises:
        UserError: an impossible weight or age; furniture of unknown kind or two of one id.
    """
    ids = tuple(thing.id for thing in furniture)
    if len(set(ids)) != len(ids):
        raise UserError(f"Expected furniture with ids of their own, but got {ids}. Give each its own id.")
    known = person.filled()
    joints, capsules = _shape(known.betas.tobytes()) if body is None else _fit(body, known.betas)
    solids = furniture_solids(furniture)
    root = _model(known, joints, capsules)
    world = root.find("worldbody")
    assert world is not None
    for number, (solid, _) in enumerate(solids):
        add_solid(world, solid, f"furniture{number}")
    model = mujoco.MjModel.from_xml_string(ET.tostring(root, encoding="unicode"))
    return _index(model, known, joints, [index for _, index in solids], ids)


@lru_cache(maxsize=64)
def _shape(betas: bytes) -> tuple[Float[np.ndarray, "24 3"], list[Capsule]]:
    return _fit(_bundled_body(), np.frombuffer(betas))


@lru_cache(maxsize=1)
def _bundled_body() -> Body:
    return load_body()


def _fit(body: Body, betas: Float[np.ndarray, "10"]) -> tuple[Float[np.ndarray, "24 3"], list[Capsule]]:
    shape = torch.from_numpy(np.array(betas, np.float32))
    with torch.no_grad():
        vertices = body.rest_vertices(shape).double().numpy()
        joints = body.rest_joints(shape).double().numpy()
    return joints, body_capsules(vertices, body.lbs_weights.argmax(1).numpy(), joints)


def _model(person: PersonBody, joints: Float[np.ndarray, "24 3"], capsules: list[Capsule]) -> ET.Element:
    root = ET.Element("mujoco", model="person")
    ET.SubElement(root, "compiler", angle="radian", inertiafromgeom="true", boundmass="1e-4")
    option = ET.SubElement(root, "option", timestep=str(TIME_STEP), integrator="implicitfast", cone="elliptic")
    option.set("iterations", "20")
    option.set("ls_iterations", "10")
    world = ET.SubElement(root, "worldbody")
    ET.SubElement(
        world,
        "geom",
        name="floor",
        type="plane",
        size="0 0 1",
        contype="2",
        conaffinity="1",
        friction=f"{FLOOR_FRICTION} 0.005 0.0001",
        solref=_SKIN_SOLREF,
        solimp=_SKIN_SOLIMP,
    )
    assert person.weight_kg is not None and person.sex is not None
    masses = segment_masses(person.weight_kg, person.sex)
    bodies: list[ET.Element] = []
    for joint in range(SIMULATED_JOINTS):
        parent = PARENTS[joint]
        start = joints[joint] - (joints[parent] if parent >= 0 else joints[0])
        element = ET.SubElement(bodies[parent] if parent >= 0 else world, "body", name=JOINT_NAMES[joint])
        element.set("pos", numbers(start))
        bodies.append(element)
        _add_joints(element, joint)
        own = [capsule for capsule in capsules if capsule.joint == joint]
        for number, capsule in enumerate(own):
            _add_capsule(element, capsule, joints[joint], float(masses[joint]), f"{JOINT_NAMES[joint]}_{number}")
    _add_actuators(root, person)
    contact = ET.SubElement(root, "contact")
    for first, second in _OWN_CONTACTS:
        ET.SubElement(contact, "pair", geom1=f"{first}_0", geom2=f"{second}_0", condim="1", solref="0.02 1")
    equality = ET.SubElement(root, "equality")
    for side in ("left", "right"):
        ET.SubElement(
            equality,
            "connect",
            name=f"{side}_foot_held",
            body1=f"{side}_ankle",
            anchor="0 0 0",
            active="false",
            solref="0.03 1",
        )
    return root


def _add_joints(element: ET.Element, joint: int) -> None:
    if joint == 0:
        ET.SubElement(element, "freejoint", name="root")
        return
    name = JOINT_NAMES[joint]
    spec = joint_spec(joint)
    # Rotor inertia keeps small parts (toes, hands) from oscillating; damping is that of flesh.
    common = {"armature": "0.02", "damping": f"{0.05 * spec.stiffness + 0.1:.4g}", "solreflimit": "0.02 1"}
    common["solimplimit"] = "0.95 0.99 0.02"
    if spec.axes is None:
        element.set("quat", numbers(quaternion(_shoulder_middle(name))))
        limit = f"0 {np.deg2rad(spec.limits_deg[0][1]):.6g}"
        ET.SubElement(element, "joint", common, name=name, type="ball", limited="true", range=limit)
        return
    for axis, (low, high) in zip(spec.axes, spec.limits_deg, strict=True):
        ET.SubElement(
            element,
            "joint",
            common,
            name=f"{name}_{axis}",
            type="hinge",
            axis=numbers(np.eye(3)["xyz".index(axis)]),
            limited="true",
            range=f"{np.deg2rad(low):.6g} {np.deg2rad(high):.6g}",
        )


def _add_capsule(element: ET.Element, capsule: Capsule, origin: Float[np.ndarray, "3"], mass: float, name: str) -> None:
    start, end = capsule.start - origin, capsule.end - origin
    geom = ET.SubElement(element, "geom", name=name, mass=f"{mass * capsule.share:.9g}", size=f"{capsule.radius:.6g}")
    if np.allclose(start, end):
        geom.set("type", "sphere")
        geom.set("pos", numbers(start))
    else:
        geom.set("type", "capsule")
        geom.set("fromto", numbers(np.concatenate((start, end))))
    touching = ("1", "2") if capsule.touches else ("0", "0")
    geom.set("contype", touching[0])
    geom.set("conaffinity", touching[1])
    geom.set("friction", f"{FLOOR_FRICTION} 0.005 0.0001")
    geom.set("solref", _SKIN_SOLREF)
    geom.set("solimp", _SKIN_SOLIMP)


def _add_actuators(root: ET.Element, person: PersonBody) -> None:
    """One position servo per axis; the controller sets their gains."""
    actuators = ET.SubElement(root, "actuator")
    for joint in range(1, SIMULATED_JOINTS):
        spec = joint_spec(joint)
        name = JOINT_NAMES[joint]
        for number in range(3):
            servo = ET.SubElement(actuators, "position", kp="1", kv="1", forcelimited="true", forcerange="-1 1")
            if spec.axes is None:
                servo.set("joint", name)
                servo.set("gear", numbers(np.concatenate((np.eye(3)[number], np.zeros(3)))))
            else:
                servo.set("joint", f"{name}_{spec.axes[number]}")


def _shoulder_middle(name: str) -> Float[np.ndarray, "3 3"]:
    """The least turn of the stretched-out arm to the middle of the shoulder's range."""
    sign = 1.0 if name.startswith("left") else -1.0
    goal = np.array(SHOULDER_MIDDLE) * (sign, 1.0, 1.0)
    goal /= np.linalg.norm(goal)
    out = np.array([sign, 0.0, 0.0])
    cross, cos = np.cross(out, goal), float(out @ goal)
    skew = np.array([[0, -cross[2], cross[1]], [cross[2], 0, -cross[0]], [-cross[1], cross[0], 0]])
    return np.eye(3) + skew + skew @ skew / (1 + cos)


def _index(
    model: mujoco.MjModel,
    person: PersonBody,
    joints: Float[np.ndarray, "24 3"],
    solid_objects: list[int],
    ids: tuple[str, ...],
) -> Humanoid:
    hinges = [joint for joint in range(1, SIMULATED_JOINTS) if joint_spec(joint).axes is not None]
    balls = [joint for joint in range(1, SIMULATED_JOINTS) if joint_spec(joint).axes is None]
    first = {joint: int(model.body(JOINT_NAMES[joint]).jntadr[0]) for joint in range(SIMULATED_JOINTS)}
    body_joint = np.array([JOINT.get(model.body(number).name, -1) for number in range(model.nbody)])
    geom_joint = body_joint[model.geom_bodyid]
    geom_object = np.full(model.ngeom, -1)
    for number, index in enumerate(solid_objects):
        geom_object[model.geom(f"furniture{number}").id] = index
    axes = np.array([["xyz".index(axis) for axis in joint_spec(joint).axes or ""] for joint in hinges])
    return Humanoid(
        model=model,
        person=person,
        rest_joints=joints,
        hinges=np.array(hinges),
        hinge_qpos=model.jnt_qposadr[[first[joint] for joint in hinges]].astype(int),
        hinge_dof=model.jnt_dofadr[[first[joint] for joint in hinges]].astype(int),
        hinge_axes=axes,
        balls=np.array(balls),
        ball_qpos=model.jnt_qposadr[[first[joint] for joint in balls]].astype(int),
        ball_dof=model.jnt_dofadr[[first[joint] for joint in balls]].astype(int),
        ball_middle=np.stack([_shoulder_middle(JOINT_NAMES[joint]) for joint in balls]),
        ball_start=np.stack([quaternion(_shoulder_middle(JOINT_NAMES[joint]).T) for joint in balls]),
        dof_joint=body_joint[model.dof_bodyid],
        body_joint=body_joint,
        joint_body=np.array([model.body(JOINT_NAMES[joint]).id for joint in range(SIMULATED_JOINTS)]),
        geom_joint=geom_joint,
        geom_object=geom_object,
        object_ids=ids,
    )
