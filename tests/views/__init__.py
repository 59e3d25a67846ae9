"""Tests of `packmule.views`."""
