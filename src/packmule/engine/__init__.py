"""Drives a batch: runner, ask, tap, lanes, recorder. All that lasts goes through the store."""
