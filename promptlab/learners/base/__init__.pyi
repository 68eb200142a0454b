from .learner import Batch as Batch
from .learner import ClosedFormStage as ClosedFormStage
from .learner import GradientStage as GradientStage
from .learner import PromptLearner as PromptLearner
from .learner import Scorer as Scorer
from .learner import Stage as Stage
from .optim import Optim as Optim
