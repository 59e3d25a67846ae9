"""Carries large batches of LLM calls over your own data: durable, bounded, visible."""

__version__ = "0.1.0"
__all__ = ["__version__"]
