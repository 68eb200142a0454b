import ast
from pathlib import Path

import promptlab
from promptlab.support.errors import PromptlabError

FOLDER = Path(promptlab.__file__).parent
ROOT = PromptlabError.__name__


def errors():
    """Bases of every class named an error, by the class's name, as the package's source has them."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in FOLDER.rglob("*.py")]
    classes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    return {c.name: [ast.unparse(base) for base in c.bases] for c in classes if c.name.endswith("Error")}


def test_what_users_meet_has_one_root_and_a_built_in_kind():
    found = errors()
    assert len(found) > 12
    for name, bases in found.items():
        if name == ROOT or name.startswith("_"):
            continue
        assert bases[0] == ROOT or bases[0] in found, f"{name} doesn't derive from {ROOT}"
        assert bases[0] != ROOT or bases[1:] in (["ValueError"], ["RuntimeError"], ["ImportError"]), (
            f"{name} has no built-in kind"
        )
