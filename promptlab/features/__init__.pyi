from .bank import FeatureBank as FeatureBank
from .transforms import TrainingTransform as TrainingTransform
from .transforms import training_transform as training_transform
