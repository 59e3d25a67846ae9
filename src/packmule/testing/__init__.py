"""Shipped for users' own tests: a simulated event loop, a scripted provider with its own bill."""

from __future__ import annotations

from packmule.testing.scripted import ScriptedEndpoint
from packmule.testing.simloop import SimClock, SimLoop, run_simulated

__all__ = ["ScriptedEndpoint", "SimClock", "SimLoop", "run_simulated"]
