from pkgutil import resolve_name

import pytest

import promptlab.data.benchmarks as benchmarks
from promptlab.support.deprecation import _PATHS, current_path


@pytest.mark.parametrize("path", sorted(set(_PATHS.values())))
def test_what_earlier_paths_stand_for_is_there(path):
    assert resolve_name(path) is not None


def test_a_configuration_may_name_the_module_of_a_benchmarks_lists():
    assert current_path("promptlab.data.benchmarks.folders.class_folders") == "promptlab.data.benchmarks.class_folders"


def test_a_renamed_class_is_found_with_a_warning():
    with pytest.warns(DeprecationWarning, match=r"Place is now promptlab\.data\.benchmarks\.Layout"):
        assert benchmarks.Place is benchmarks.Layout
