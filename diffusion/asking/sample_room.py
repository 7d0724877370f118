"""Rooms out of the model: sampled together with the people, or around people who are given."""

import dataclasses

from carescene.humans.body import Body
from carescene.scenes.scene import Scene
from carescene.situations.situation import Situation
from diffusion.asking.compile import compile_situation
from diffusion.asking.sampling import Settings, sample_asked
from diffusion.generator import MotionGenerator
from diffusion.rooms import decode_scene


def sampled_room(
    generator: MotionGenerator, situation: Situation, seed: int, *, body: Body, settings: Settings
) -> Scene:
    """A valid room that the model thinks of for the text, and for the people who are given if there are any.

    The model samples people and room together; the room is repaired to one that can exist (see `diffusion.rooms`),
    and in it the situation is then planned like in any other.

    Returns:
        the room in the room's own coordinates: those of the given people, or with person 0 at the origin.
    """
    config = generator.model.config
    # Steering to places needs a room first, and the model alone decides here.
    free = dataclasses.replace(settings, energies=0.0)
    asked = compile_situation(
        situation, None, seed, body=body, fps=config.fps, patch=config.denoiser.patch, sample_room=True
    )
    world = sample_asked(generator, [asked], free)
    there = asked.there
    paths = world.motion[0][..., :2][there[:, : world.motion.shape[2]]].double().cpu().numpy()
    given = situation.people[0].motion is not None
    scene = decode_scene(world.objects[0], f"{situation.name}-room-{seed}", paths=paths if given else None)
    return asked.frame.scene_out(scene)
