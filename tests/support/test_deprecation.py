import sys
from importlib import import_module
from pkgutil import resolve_name

import pytest

import promptlab.data.benchmarks as benchmarks
from promptlab import data
from promptlab.support.deprecation import _PATHS, current_path


@pytest.mark.parametrize("path", sorted(set(_PATHS.values())))
def test_what_earlier_paths_stand_for_is_there(path):
    assert resolve_name(path) is not None


def test_a_configuration_may_name_the_module_of_a_benchmarks_lists():
    assert current_path("promptlab.data.benchmarks.folders.class_folders") == "promptlab.data.benchmarks.class_folders"


def test_a_renamed_class_is_found_with_a_warning():
    with pytest.warns(DeprecationWarning, match=r"Place is now promptlab\.data\.benchmarks\.Layout"):
        assert benchmarks.Place is benchmarks.Layout


def test_a_module_of_an_earlier_version_can_still_be_imported_with_a_warning():
    sys.modules.pop("promptlab.data.images", None)
    with pytest.warns(DeprecationWarning, match=r"promptlab\.data\.images held is now in promptlab\.data"):
        from promptlab.data.images import FileImages, as_rgb
    assert FileImages is data.FileImages
    assert as_rgb is data.as_rgb


def test_a_module_that_never_was_is_missing_as_ever():
    with pytest.raises(ModuleNotFoundError, match=r"promptlab\.data\.never"):
        import_module("promptlab.data.never")
