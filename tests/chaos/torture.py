"""Names that a server takes and that break whoever pastes them into a statement.

Whole ones that other products fell over, and pieces put together at random: quotes, backslashes,
line breaks, ends of statements and comments, placeholders, words of SQL, letters that are wide,
written from the right or not seen at all.
"""

import random
from collections.abc import Callable, Iterator

WHOLE = (
    'x"; DROP TABLE public.canary; --',
    'x" CASCADE; CREATE ROLE injected SUPERUSER; --',
    "x'; DROP TABLE public.canary; --",
    "x\\'; CREATE ROLE injected; --",
    "x`; DROP TABLE app.canary; -- ",
    "x`.`y`; CREATE USER injected; -- ",
    "x'@'%'; CREATE USER injected; -- ",
    "host=127.0.0.1 dbname=app",
    "postgresql://injected@127.0.0.1/app",
    "$$; DROP TABLE public.canary; $$",
    "/*!50000 x*/",
    "select",
    "user",
    "all",
    "grant",
    "{{name}}",
    "%s",
    "..",
)
PIECES = (
    *('"', '""', "'", "''", "`", "``", "\\", '\\"', "\\'", ";", "--", "/*", "*/", "#", "$$", "$a$"),
    *("%", "%s", "%(a)s", "{{name}}", "{0}", "\n", "\r\n", "\t", " ", ".", ",", "(", ")", "=", "@"),
    *(":", "?", "&", "é", "İ", "ß", "漢字", "א", "\u202e", "\u200b", "\u00a0", "DROP ROLE canary"),
    *("select", "public", "current_user", "x", "Y"),
)
_WIDE = "\U0001f511"


def names(
    dice: random.Random,
    fits: Callable[[str], bool],
    *,
    longest: int,
    wide: bool = False,
    mark: str = "",
) -> Iterator[str]:
    """Different names without end, as the server behind `fits` takes them, the whole ones first.

    `longest` is how many bytes it takes, up to which some reach; `wide` whether also characters
    beyond 16 bits. All begin with `mark`.
    """
    known: set[str] = set()
    pieces = (*PIECES, _WIDE) if wide else PIECES
    yet = [*WHOLE, *(each * longest for each in ("x", '"', "`", "é"))]
    while True:
        pasted = "".join(dice.choices(pieces, k=dice.randint(1, 24)))
        name = mark + (yet.pop(0) if yet else pasted)
        while len(name.encode()) > longest:
            name = name[:-1]
        name = name.strip()
        if name and name not in known and fits(name):
            known.add(name)
            yield name
