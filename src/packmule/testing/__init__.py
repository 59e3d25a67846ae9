"""Shipped for users' own tests: a simulated event loop, a scripted provider with its own bill."""

from __future__ import annotations

from packmule.testing.scripted import ScriptedEndpoint
from packmule.testing.scripted_jobs import JobHouse, ScriptedJobs
from packmule.testing.simloop import SimClock, SimLoop, run_simulated

__all__ = ["JobHouse", "ScriptedEndpoint", "ScriptedJobs", "SimClock", "SimLoop", "run_simulated"]
