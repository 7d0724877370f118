"""The generative model in plain torch: process, representation, denoiser, text, sampler."""

from diffusion.canonical import canonical_frame, canonicalise, heading, move
from diffusion.checkpoint import load_checkpoint, save_checkpoint
from diffusion.denoiser import Denoiser, DenoiserConfig, TextContext
from diffusion.loss_config import LossConfig
from diffusion.model import ModelConfig, MotionModel
from diffusion.normaliser import Normaliser
from diffusion.process import DiffusionProcess, ProcessConfig, expand_levels
from diffusion.representation import (
    EVENT_CLASSES,
    FEATURES,
    GROUPS,
    MOTION_FEATURES,
    decode_motion,
    encode_motion,
    joint_consistency,
    leg_ratio,
)
from diffusion.sampler import SamplerConfig
from diffusion.schedules import make_schedule
from diffusion.world import ROLES, Given, Levels, Present, World

__all__ = [
    "EVENT_CLASSES",
    "FEATURES",
    "GROUPS",
    "MOTION_FEATURES",
    "ROLES",
    "Denoiser",
    "DenoiserConfig",
    "DiffusionProcess",
    "Given",
    "Levels",
    "LossConfig",
    "ModelConfig",
    "MotionModel",
    "Normaliser",
    "Present",
    "ProcessConfig",
    "SamplerConfig",
    "TextContext",
    "World",
    "canonical_frame",
    "canonicalise",
    "decode_motion",
    "encode_motion",
    "expand_levels",
    "heading",
    "joint_consistency",
    "leg_ratio",
    "load_checkpoint",
    "make_schedule",
    "move",
    "save_checkpoint",
]
