"""The generative model in plain torch: process, representation, denoiser, text, sampler."""

from diffusion.canonical import canonical_frame, canonicalise, canonicalise_features, heading, move
from diffusion.denoiser import Denoiser, DenoiserConfig, TextContext
from diffusion.model import LossConfig, ModelConfig, MotionModel
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
from diffusion.schedules import make_schedule

__all__ = [
    "EVENT_CLASSES",
    "FEATURES",
    "GROUPS",
    "MOTION_FEATURES",
    "Denoiser",
    "DenoiserConfig",
    "DiffusionProcess",
    "LossConfig",
    "ModelConfig",
    "MotionModel",
    "Normaliser",
    "ProcessConfig",
    "TextContext",
    "canonical_frame",
    "canonicalise",
    "canonicalise_features",
    "decode_motion",
    "encode_motion",
    "expand_levels",
    "heading",
    "joint_consistency",
    "leg_ratio",
    "make_schedule",
    "move",
]
