"""The version of this promptlab."""

__version__ = "0.1.0"
