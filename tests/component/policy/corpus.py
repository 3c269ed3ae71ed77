"""T37: some hundred bad policies, each with the one line that it must print.

They are families: every place of a kind with everything that does not belong there. The examples
for people stand in policies/bad.
"""

from component.policy import bad_texts, bad_values
from component.policy.bad_policy import BadPolicy

FAMILIES = (
    bad_values.durations,
    bad_values.numbers,
    bad_values.ids,
    bad_values.names,
    bad_values.sections,
    bad_values.unknown_keys,
    bad_values.missing_keys,
    bad_values.words,
    bad_texts.characters,
    bad_texts.not_our_yaml,
    bad_texts.patterns,
)


def corpus() -> list[BadPolicy]:
    """All of them, in the order of the families."""
    return [each for family in FAMILIES for each in family()]
