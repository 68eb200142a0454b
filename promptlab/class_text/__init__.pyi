from .templates import DEFAULT_TEMPLATE as DEFAULT_TEMPLATE
from .templates import SELECT_TEMPLATES as SELECT_TEMPLATES
from .templates import template_for as template_for
