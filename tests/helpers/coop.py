"""CoOp's golden cases."""

from promptlab.learners.coop import CoOp

CASES = [
    "m16.unified.end",
    "m3.csc.front",
    "m4.csc.end",
    "m4.csc.middle",
    "m4.unified.end.words",
    "m4.unified.front",
    "m5.unified.middle",
]


def learner_of(case, clip, names):
    n_ctx, csc, position, *words = case.split(".")
    return CoOp(
        clip,
        names,
        n_ctx=int(n_ctx[1:]),
        ctx_init="a photo of a" if words else None,
        csc=csc == "csc",
        class_token_position=position,
    )
