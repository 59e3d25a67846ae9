"""`packmule demo`: the real command on shipped data, with a provider that has a bad day, or killed in the middle.

Nothing here draws, asks or counts anything itself: it types commands, files wishes and reads the store as anybody may.
"""
