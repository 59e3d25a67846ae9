"""Tests of the provider in a box."""
