"""What no policy file may be made of: characters that hide, YAML beyond maps, lists and scalars."""

from collections.abc import Iterator

from component.policy.bad_policy import CONNECTION, FILE, ROLE, BadPolicy, bad
from leasehold.patterns import ALLOWED

_HIDDEN = (
    *range(0x01, 0x09), 0x0B, 0x0C, *range(0x0E, 0x20), 0x7F, *range(0x80, 0xA0, 5),
    *(0x200E, 0x200F, 0x2028, 0x2029), *range(0x202A, 0x202F), *range(0x2066, 0x206A),
    *(0xFEFF, 0xFFFE, 0xFFFF),
)  # fmt: skip


def characters() -> Iterator[BadPolicy]:
    for code in (0, *_HIDDEN):
        message = f"found the character U+{code:04X}, which editors do not show; remove it"
        yield bad(f"character U+{code:04X}", f"{CONNECTION}# §{chr(code)}\n", "", message)
    for name, raw in (
        ("latin 1", 0xE9), ("lone continuation", 0x80), ("overlong", 0xC0), ("surrogate", 0xED),
        ("beyond", 0xF5), ("never", 0xFF),
    ):  # fmt: skip
        found = f"found byte 0x{raw:02x}; a policy file is a text in UTF-8"
        data = f"{CONNECTION}# ".encode() + bytes([raw]) + b"x\n"
        line = CONNECTION.count("\n") + 1
        yield BadPolicy(f"bytes {name}", data, f"{FILE}:{line}:3: {found}")
    mark = "begins with a byte order mark; save the file as UTF-8 without one"
    yield bad("byte order mark", f"§\ufeff{CONNECTION}", "", mark)
    for name, encoding in (("UTF-16", "utf-16"), ("UTF-16 big endian", "utf-16-be")):
        yield _utf_16(name, CONNECTION.encode(encoding))


def _utf_16(name: str, data: bytes) -> BadPolicy:
    if data[0] > 127:
        found = f"found byte 0x{data[0]:02x}; a policy file is a text in UTF-8"
    else:
        found = "found the character U+0000, which editors do not show; remove it"
    return BadPolicy(name, data, f"{FILE}:1:1: {found}")


def not_our_yaml() -> Iterator[BadPolicy]:
    aliases = "anchors and aliases are not read; write the value out"
    bomb = "a: §&a [x]\n" + "".join(
        f"{after}: &{after} [*{before}, *{before}]\n"
        for before, after in zip("abcdefghijk", "bcdefghijkl", strict=True)
    )
    yield bad("alias bomb", bomb, "", aliases)
    yield bad("alias to itself", "a: §&a [*a]\n", "", aliases)
    yield bad("alias of a key", "§&a b: *a\n", "", aliases)
    merges = "merge keys are not read; write the values out"
    yield bad("merge key", "roles:\n  §<<: {a: 1}\n", "roles", merges)
    yield bad("merge of a list", "roles:\n  §<<: [{a: 1}]\n", "roles", merges)
    for tag, shown in (
        ("!!python/object/apply:os.system ['true']", "!!python/object/apply:os.system"),
        ("!!python/name:os.system ''", "!!python/name:os.system"),
        ("!!str 1", "!!str"), ("!!int '1'", "!!int"), ("!!binary aGk=", "!!binary"),
        ("!!set {a}", "!!set"), ("!include /etc/passwd", "!include"), ("!ENV ${X}", "!ENV"),
        ("!<tag:example.org,2000:x> 1", "tag:example.org,2000:x"),
    ):  # fmt: skip
        message = f"the tag {shown} is not read; remove it"
        yield bad(f"tag {shown}", f"roles: §{tag}\n", "", message)
    deep = "is nested more than 20 levels deep"
    for name, opens, closes in (("lists", "[", "]"), ("maps", "{a: ", "}")):
        for depth in (21, 1_000, 100_000):
            text = "a: " + opens * 19 + "§" + opens * (depth - 19) + "1" + closes * depth + "\n"
            yield bad(f"depth of {depth} {name}", text, "", deep)
    blocks = "".join(f"{'  ' * depth}{'§' if depth == 20 else ''}a:\n" for depth in range(40))
    yield bad("depth of blocks", f"{blocks}{'  ' * 40}b: 1\n", "", deep)
    long = "is longer than 1048576 bytes; split the file"
    yield bad("text of 1 MB", f"§a: '{'x' * (1 << 20)}'\n", "", long)
    yield bad("comment of 1 MB", f"§# {'x' * (1 << 20)}\n{CONNECTION}", "", long)
    yield bad("line breaks of 1 MB", "§" + "\n" * ((1 << 20) + 1), "", long)
    twice = "the key stands twice, first in line {}; remove one"
    yield bad("section twice", "tokens: {max_ttl: 1h}\n§tokens: {}\n", "tokens", twice.format(1))
    yield bad(
        "key twice", "tokens: {max_ttl: 1h, §max_ttl: 2h}\n", "tokens.max_ttl", twice.format(1)
    )
    yield bad(
        "key twice, quoted", "tokens:\n  max_ttl: 1h\n  §'max_ttl': 2h\n", "tokens.max_ttl",
        twice.format(2),
    )  # fmt: skip
    second = "a second document begins; a file holds one, split it"
    yield bad("second document", f"{CONNECTION}§---\nroles: {{}}\n", "", second)
    yield bad("document after its end", f"{CONNECTION}...\n§---\nroles: {{}}\n", "", second)
    tab = "a tab indents the line; YAML indents with spaces"
    yield bad("tab", "roles:\n§\tmain/a: 1\n", "", tab)
    for name, text, found in (
        ("list", "§- a\n", "found a list"), ("text", "§hello\n", "found a single value"),
        ("number", "§5\n", "found a single value"), ("flow list", "§[a]\n", "found a list"),
    ):  # fmt: skip
        yield bad(
            f"whole file a {name}", text, "", f"{found}; a policy file is a map such as `roles:`"
        )
    empty = "the file is empty; write a map such as `roles:`, or remove the file"
    one = "found a single value; a policy file is a map such as `roles:`"
    for name, text in (
        ("nothing", ""),
        ("a comment", "# x\n"),
        ("a begin", "---\n"),
        ("a null", "~\n"),
    ):
        yield bad(f"file of {name}", "§" + text, "", one if name == "a null" else empty)
    for name, text, path, kind in (
        ("map", "§{a: 1}: b\n", "", "a map"), ("list", "§[a]: b\n", "", "a list"),
        ("asked for", "? §[a]\n: b\n", "", "a list"),
    ):  # fmt: skip
        hint = ", and a value with {{…}} needs quotes around it" if kind == "a map" else ""
        yield bad(
            f"key that is a {name}", text, path, f"found {kind} as a key; keys are texts{hint}"
        )
    for name, text, why in (
        ("quote", "a: §'x\n", "unexpected end of stream, while scanning a quoted scalar"),
        ("double quote", 'a: §"x\n', "unexpected end of stream, while scanning a quoted scalar"),
        ("list", "a: §[x\n", "did not find expected ',' or ']', while parsing a flow sequence"),
        ("map", "a: §{x: 1\n", "did not find expected ',' or '}', while parsing a flow mapping"),
    ):
        why = why if why.startswith("did") else f"found {why}"
        yield bad(f"open {name}", text, "", f"not YAML: {why}")


_NO_PATTERNS = {
    "(?=a)b": "(?=a)b", "(?<=a)b": "(?<=a)b", r"(a)\1": r"\1", "(?P<x>a)": "(?P<x>a)",
    "(?i)a": "(?i)a", "[a": "[a", "(a)(?(1)b)": "(?(1)b)", "(?>a)": "(?>a)", "(?#x)a": "(?#x)a",
}  # fmt: skip
_BROKEN_PATTERNS = {
    "(a": "opens a group that it does not close",
    "*a": "has * where nothing stands that can repeat",
    "(((((a+)+)+)+)+)+": "repeats what repeats; allowed is that 2 deep",
}


def patterns() -> Iterator[BadPolicy]:
    """What could keep a matcher busy, or does what ours does not."""
    told = {
        pattern: f"has '{part}'; allowed are {ALLOWED}" for pattern, part in _NO_PATTERNS.items()
    }
    for pattern, why in {**told, **_BROKEN_PATTERNS}.items():
        text = f"{CONNECTION}{ROLE}    require:\n      reason: §'{pattern}'\n"
        yield bad(f"pattern {pattern}", text, "roles.main/a.require.reason", f"the pattern {why}")
    for length in (201, 100_000):
        text = f"{CONNECTION}{ROLE}    require:\n      reason: §'{'a' * length}'\n"
        message = f"has {length} characters; allowed are at most 200"
        yield bad(f"pattern of {length}", text, "roles.main/a.require.reason", message)
