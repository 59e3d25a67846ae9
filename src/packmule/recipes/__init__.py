"""Recipes: async functions that turn one item into one output by asking models."""
