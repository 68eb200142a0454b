from .class_set import ClassSet as ClassSet
from .learner import PromptLearner as PromptLearner
from .learner import Scorer as Scorer
from .optim import Optim as Optim
from .stages import Batch as Batch
from .stages import ClosedFormStage as ClosedFormStage
from .stages import GradientStage as GradientStage
from .stages import Stage as Stage
