"""Replacing values in steps, wherever one is cut off: a `Runner` does it, a `Rotator` knows the other end."""

from vault_estate.rotation.rotator import Overlap, RotationRun, Rotator
from vault_estate.rotation.runner import RotationOutcome, Runner

__all__ = ["Overlap", "RotationOutcome", "RotationRun", "Rotator", "Runner"]
