"""torch's compiler comes when it is used, and finds everything as if it had been there."""

import json
import subprocess
import sys
from types import ModuleType

from promptlab.support.late_compiler import put_off_compiler

SCRIPT = """
import importlib.util, json, sys
import promptlab, torch
from torch import nn

found = {}

def is_there():
    return "torch._dynamo.eval_frame" in sys.modules

@torch.compiler.disable
def aside(x):
    aside.compiled = torch.compiler.is_compiling()
    return x + 1

class Own:
    @torch.compiler.disable(recursive=False)
    def method(self, x):
        return 2 * x

parameter = nn.Parameter(torch.ones(2))
for kind in (torch.optim.SGD, torch.optim.AdamW):
    optimiser = kind([parameter], lr=0.1)
    parameter.square().sum().backward()
    optimiser.step()
    optimiser.zero_grad()
    optimiser.load_state_dict(optimiser.state_dict())
import lightning.pytorch as lightning
from torch._dynamo import OptimizedModule
model = nn.Linear(2, 2)
found["nothing compiled"] = not isinstance(model, OptimizedModule) and not issubclass(nn.Linear, OptimizedModule)
found["called as they are"] = aside(1) == 2 and Own().method(3) == 6
found["said where it is"] = importlib.util.find_spec("torch._dynamo").origin.endswith("__init__.py")
found["no such part"] = importlib.util.find_spec("torch._dynamo.nonsense") is None
held = torch._dynamo
found["waits"] = not is_there() and "sympy" not in sys.modules

from torch._dynamo.eval_frame import OptimizedModule as Part
import torch._dynamo
found["came"] = is_there() and sys.modules["torch._dynamo"] is torch._dynamo is not held
found["each part once"] = torch._dynamo.eval_frame is sys.modules["torch._dynamo.eval_frame"]
found["one class"] = Part is torch._dynamo.OptimizedModule is sys.modules["torch._dynamo.eval_frame"].OptimizedModule
found["also who held the stand-in"] = held.reset is torch._dynamo.reset and held.disable is torch._dynamo.disable
found["compiled"] = isinstance(torch.compile(model, backend="eager"), OptimizedModule)
found["by Lightning too"] = isinstance(torch.compile(lightning.LightningModule(), backend="eager"), OptimizedModule)

graphs = []
def backend(graph, inputs):
    graphs.append(graph)
    return graph

@torch.compile(backend=backend)
def around(x):
    return aside(x * 3) * 5

found["result"] = torch.equal(around(torch.ones(1)), torch.full((1,), 20.0))
found["not traced"] = len(graphs) == 2 and aside.compiled is False
optimiser.step()
optimiser.zero_grad()
sys.stderr.write(json.dumps(found))
"""


def test_the_compiler_comes_when_it_is_used_and_knows_what_it_missed():
    """In a process of its own: other tests may have brought the compiler."""
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    found = json.loads(done.stderr.splitlines()[-1])
    assert len(found) == 13
    assert [what for what, holds in found.items() if not holds] == []


def test_a_compiler_that_is_there_is_left_alone(monkeypatch):
    there = ModuleType("torch._dynamo")
    monkeypatch.setitem(sys.modules, "torch._dynamo", there)
    put_off_compiler()
    assert sys.modules["torch._dynamo"] is there
