"""Texts with `*`, which stands for any run of characters, also of none. Pure.

There is no other wildcard and no way to quote one, so what a pattern takes can be seen at a glance.
Takes time in proportion to the text, whatever the pattern.
"""


def like(text: str, pattern: str) -> bool:
    """Whether the whole text is what the pattern says."""
    first, *rest = pattern.split("*")
    if not rest:
        return text == pattern
    *middle, last = rest
    if not text.startswith(first):
        return False
    at = len(first)
    for part in middle:
        found = text.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return text.endswith(last) and len(text) - len(last) >= at
