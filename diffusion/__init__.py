"""The generative model in plain torch: process, representation, denoiser, text, sampler."""

from diffusion.canonical import canonical_frame, canonicalise, canonicalise_features, heading, move
from diffusion.checkpoint import load_checkpoint, save_checkpoint
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
from diffusion.sampler import SamplerConfig
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
    "SamplerConfig",
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
    "load_checkpoint",
    "make_schedule",
    "move",
    "save_checkpoint",
]
