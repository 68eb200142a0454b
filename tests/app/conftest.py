from tests.own.conftest import bank, clip, world

__all__ = ["bank", "clip", "world"]
