"""What the training loss is made of."""

from dataclasses import dataclass

from carescene.errors import UserError


@dataclass(frozen=True)
class LossConfig:
    """Weights of the loss and shares of the kinds of training examples.

    All terms are quadratic in the estimate of x_0, hence unbiased: their minimum is the true conditional mean, whatever
    the weights.

    Attributes:
        trans: weight of the mean squared error of the path. The groups have weights of their own, because the 3 numbers
            of the path would otherwise count 1 % beside the 198 of rotations and joints.
        root: weight of the mean squared error of the pelvis' orientation.
        body: weight of the mean squared error of the joint rotations.
        joints: weight of the mean squared error of the joint positions.
        event: weight of the mean squared error of the event channel.
        velocity: weight of the error of differences between frames, against the same group weights. Jitter is an
            error of high frequency; this punishes it up to 1 + 4 x velocity times as much as a slow drift.
        world_velocity: weight of the error of the 22 joints' velocities in the world (m/s), a linear function of
            path and joint features. It ties the two together where feet stand still.
        shape: weight of the mean squared error of the body shapes; small, because motion says little about them.
        things: weight of the mean squared error of the things in the room.
        text_dropout: share of clips trained without their text, for classifier-free guidance (Ho & Salimans 2022).
        scene_dropout: share of clips trained without their room, for guidance by the room.
        event_dropout: share of clips trained without their event channel; 1 leaves events out of the model.
        shared_level: share of batches in which all motion of a clip has one noise level, as in plain sampling.
        known_tokens: share of batches in which some motion is known (level 0) and the rest shares one level, as when
            parts of a motion are given: scattered patches, prefix, suffix, both ends, or a whole person.
        known_motion: share of batches in which all motion is known and room, events and shapes are asked for. In the
            rest every token draws its own level.
        known_event: share of clips whose event channel is known, as when an onset is requested.
        known_shape: share of clips whose body shapes are known.
        known_things: share of clips whose room is known.
    """

    trans: float = 0.2
    root: float = 0.15
    body: float = 0.35
    joints: float = 0.25
    event: float = 0.05
    velocity: float = 5.0
    world_velocity: float = 0.2
    shape: float = 0.01
    things: float = 0.1
    text_dropout: float = 0.1
    scene_dropout: float = 0.1
    event_dropout: float = 0.0
    shared_level: float = 0.7
    known_tokens: float = 0.15
    known_motion: float = 0.07
    known_event: float = 0.5
    known_shape: float = 0.7
    known_things: float = 0.6

    def __post_init__(self) -> None:
        for name in (
            "trans", "root", "body", "joints", "event", "velocity", "world_velocity", "shape", "things",
        ):  # fmt: skip
            if not getattr(self, name) >= 0:
                raise UserError(f"Expected loss.{name} to be 0 or more, but got {getattr(self, name)}. Correct it.")
        for name in (
            "text_dropout", "scene_dropout", "event_dropout", "shared_level", "known_tokens", "known_motion",
            "known_event", "known_shape", "known_things",
        ):  # fmt: skip
            if not 0 <= getattr(self, name) <= 1:
                raise UserError(f"Expected loss.{name} within 0..1, but got {getattr(self, name)}. It is a share.")
        total = self.shared_level + self.known_tokens + self.known_motion
        if total > 1 + 1e-9:
            raise UserError(
                f"Expected loss.shared_level + loss.known_tokens + loss.known_motion of at most 1, but got {total:g}. "
                "They are shares of the same batches."
            )
