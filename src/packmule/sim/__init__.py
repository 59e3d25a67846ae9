"""A provider in a box: wire-true, seeded, with latency, limits, faults and its own bill."""
