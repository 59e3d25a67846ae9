"""A provider in a box: three wire protocols, seeded answers, latency, limits, faults and a bill of its own.

It sees wire bytes only. It knows nothing of the rest of packmule but the core nouns, so that it can be held against it.
"""
