"""Getting a benchmark's files: what is there, what is missing, and downloading what has a working public source."""

from promptlab.data.prepare.examine import Finding, examine
from promptlab.data.prepare.install import install
from promptlab.data.prepare.sources import Sources, sources_of

__all__ = ["Finding", "Sources", "examine", "install", "sources_of"]
