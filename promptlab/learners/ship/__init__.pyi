from .learner import SHIP as SHIP
