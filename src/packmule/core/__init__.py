"""Pure nouns and rules: no clock, no chance, no I/O. Everything here can be tested by calling it."""
