"""Settings of the whole suite; its fixtures are in ``tests/helpers/fixtures.py``."""

import os

from hypothesis import HealthCheck, settings

if "PYTEST_XDIST_WORKER" in os.environ:  # several workers would fight for the cores
    os.environ.setdefault("OMP_NUM_THREADS", "1")

os.environ.setdefault("PROMPTLAB_DEVICE", "cpu")  # the numbers that tests hold are the CPU's

settings.register_profile(  # of themselves, examples fail where the machine is busy
    "no clock", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("no clock")

collect_ignore = ["plugin_example"]  # a package of its own: tests/cli/test_plugin.py installs and runs it
