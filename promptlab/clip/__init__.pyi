from .adapters import BlockAdapter as BlockAdapter
from .frozen import FrozenCLIP as FrozenCLIP
from .guards import UnsupportedBackboneError as UnsupportedBackboneError
from .inserted import Inserted as Inserted
from .text.pairs import PairPlan as PairPlan
from .text.ragged import Ragged as Ragged
from .weights.load import load_clip as load_clip
