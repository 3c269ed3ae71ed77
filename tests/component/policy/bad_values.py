"""What stands in its place and does not belong there: spans, numbers, ids, names, words, keys."""

from collections.abc import Iterator

from component.policy.bad_policy import (
    CONNECTION,
    DURATION,
    IDENTITY,
    NAME,
    ROLE,
    VERBS,
    BadPolicy,
    bad,
    shown,
)

_DURATIONS = {
    "roles.main/a.default_ttl": ROLE + "    default_ttl: @@\n",
    "roles.main/a.max_ttl": ROLE + "    max_ttl: @@\n",
    "roles.main/a.overlap": ROLE + "    overlap: @@\n",
    "roles.main/a.drill.every": ROLE + "    drill: {every: @@}\n",
    "roles.main/a.share.within": ROLE + "    share: {within: @@}\n",
    "lease_limits.database.default_ttl": "lease_limits:\n  database: {default_ttl: @@}\n",
    "lease_limits.database.max_ttl": "lease_limits:\n  database: {max_ttl: @@}\n",
    "tokens.max_ttl": "tokens: {max_ttl: @@}\n",
}
_NO_DURATION = {
    "no": "'no'", "on": "'on'", "1e3": "'1e3'", "1e18": "'1e18'", ".nan": "'.nan'", "NaN": "'NaN'",
    ".inf": "'.inf'", "1.5h": "'1.5h'", "0x10": "'0x10'", "1 h": "'1 h'", "1h1d": "'1h1d'",
    "-1h": "'-1h'", "1w": "'1w'", "1:30": "'1:30'", "'\uff11h'": "'\uff11h'",
    "''": "''", "~": "nothing",
    "true": "true", "[1h]": "a list", "{a: 1}": "a map", "010": "'010'", "00": "'00'",
}  # fmt: skip
_SIZES = {
    "-1": "found -1; allowed is 1s or more",
    "0": "found 0; allowed is 1s or more",
    "0s": "found '0s'; allowed is 1s or more",
    "1000000000000000000": "found 1000000000000000000; allowed is 3650d or less",
    "999999999999d": "found '999999999999d'; allowed is 3650d or less",
}


def durations() -> Iterator[BadPolicy]:
    for path, text in _DURATIONS.items():
        for value, found in _NO_DURATION.items():
            message = f"found {found}; allowed is {DURATION}"
            yield _at(f"duration {path}", text, value, path, message)
        for value, message in _SIZES.items():
            yield _at(f"duration {path}", text, value, path, message)


_NUMBERS = {
    "roles.main/a.max_leases": (ROLE + "    max_leases: @@\n", 1, 10_000_000),
    "lease_limits.database.max_leases": (
        "lease_limits:\n  database: {max_leases: @@}\n", 1, 10_000_000,
    ),
    "password_policies.p.length": ("password_policies:\n  p: {length: @@}\n", 20, 128),
    "safety.max_delete_pct": ("safety: {max_delete_pct: @@}\n", 0, 100),
    "roles.main/a.warm.accounts": (ROLE + "    warm: {accounts: @@}\n", 1, 1_000),
}  # fmt: skip
_NO_NUMBER = {
    "no": "'no'", "1e3": "'1e3'", "010": "'010'", "0x10": "'0x10'", "0o17": "'0o17'",
    "1_000": "'1_000'", "+1": "'+1'", "1.0": "'1.0'", ".nan": "'.nan'", "'5'": "'5'",
    "true": "true", "~": "nothing", "[5]": "a list", "{a: 1}": "a map",
}  # fmt: skip


def numbers() -> Iterator[BadPolicy]:
    for path, (text, least, most) in _NUMBERS.items():
        for value, found in _NO_NUMBER.items():
            message = f"found {found}; allowed is a whole number"
            yield _at(f"number {path}", text, value, path, message)
        for value in {least - 1, -1, -(10**18)}:
            if value < least:
                message = f"found {value}; allowed is {least} or more"
                yield _at(f"number {path}", text, str(value), path, message)
        for value in (most + 1, 2**32, 10**18):
            message = f"found {value}; allowed is {most} or less"
            yield _at(f"number {path}", text, str(value), path, message)


_IDS = {
    "identities.anna.match[0].unix.uid": "{uid: @@}",
    "identities.anna.match[0].unix.gid": "{gid: @@}",
}


def ids() -> Iterator[BadPolicy]:
    """`-1` and 2^32-1 are what the kernel says of no user at all."""
    begin = "identities:\n  anna:\n    owner: o\n    tenant: t\n    match: [{unix: "
    for path, match in _IDS.items():
        text = begin + match + "}]\n"
        for value in (-1, -2, -(2**31)):
            message = f"found {value}; allowed is 0 or more"
            yield _at(f"id {path}", text, str(value), path, message)
        for value in (2**32 - 1, 2**32, 2**64, 10**18):
            message = f"found {value}; allowed is 4294967294 or less"
            yield _at(f"id {path}", text, str(value), path, message)
        for written, found in _NO_NUMBER.items():
            message = f"found {found}; allowed is a whole number"
            yield _at(f"id {path}", text, written, path, message)


_NAMED = {
    "roles": ("roles:\n  §@@:\n    member_of: [g]\n", f"engine/role, each of {NAME}"),
    "identities": (IDENTITY.replace("anna", "§@@"), NAME),
    "lease_limits": ("lease_limits:\n  §@@: {max_ttl: 1h}\n", NAME),
    "password_policies": ("password_policies:\n  §@@: {length: 30}\n", NAME),
}
_NO_NAMES = {
    "homoglyph": "m\u0430in",
    "full width": "\uff4dain",
    "combining": "ma\u0301in",
    "overlong comma": "ma\u201ain",
    "upper case": "Main",
    "blank inside": "ma in",
    "dotted": "ma.in",
    "climbing": "..main",
    "leading dash": "'-main'",
    "trailing slash": "main/",
    "too long": "m" * 64,
    "empty": "''",
    "percent": "ma%2Fin",
    "star": "'*'",
    "emoji": "main\U0001f511",
}


def names() -> Iterator[BadPolicy]:
    for section, (text, allowed) in _NAMED.items():
        for kind, name in _NO_NAMES.items():
            written = text.replace("@@", name)
            bare = shown(name.strip("'"))
            message = f"found '{bare}'; allowed is {allowed}"
            yield bad(f"name {section}, {kind}", CONNECTION + written, f"{section}.{bare}", message)


_MAPS = (
    *("engines", "roles", "static_roles", "lease_limits", "password_policies", "identities"),
    *("quotas", "safety", "auth", "tokens"),
)
_LISTS = ("access", "tests")
_KINDS = {"no": "'no'", "5": "5", "true": "true", "[a]": "a list", "{a: 1}": "a map"}


def sections() -> Iterator[BadPolicy]:
    for section in (*_MAPS, *_LISTS):
        wanted = "a list" if section in _LISTS else "a map"
        for value, found in _KINDS.items():
            if found != wanted:
                hint = f"; write [{value}]" if wanted == "a list" and value == "no" else ""
                message = f"found {found}; allowed is {wanted}{hint}"
                yield bad(f"section {section} {value}", f"{section}: §{value}\n", section, message)


_UNKNOWN = {
    "": ("§@@: 1\n", "rolez"),
    "tokens": ("tokens: {§@@: 1}\n", "maximum"),
    "safety": ("safety: {§@@: 1}\n", "max_delete"),
    "identities.anna": (IDENTITY + "    §@@: x\n", "ownr"),
    "lease_limits.database": ("lease_limits:\n  database: {§@@: 1}\n", "maxttl"),
    "password_policies.p": ("password_policies:\n  p: {§@@: 1}\n", "lenght"),
    "roles.main/a.drill": (ROLE + "    drill: {every: 1d, §@@: 1}\n", "at"),
}
_REMOTE = ("$ref", "$schema", "include", "!include", "__proto__", "%YAML")


def unknown_keys() -> Iterator[BadPolicy]:
    """A `$ref` leads nowhere: it is a key like any other, and unknown."""
    for path, (text, key) in _UNKNOWN.items():
        for found in (key, *_REMOTE):
            written = f"'{found}'" if found[0] in "!%" else found
            yield bad(
                f"unknown key {path} {found}",
                CONNECTION + text.replace("@@", written),
                f"{path}.{found}".lstrip("."),
                "unknown key; allowed are *",
            )


def missing_keys() -> Iterator[BadPolicy]:
    for key, text, path in (
        ("connection", "engines:\n  §main: {type: postgresql}\n", "engines.main"),
        ("tenant", "identities:\n  §a: {owner: o, match: [{unix: {uid: 1}}]}\n", "identities.a"),
        ("match", "identities:\n  §a: {owner: o, tenant: t}\n", "identities.a"),
        ("owner", "identities:\n  §a: {tenant: t, match: [{unix: {uid: 1}}]}\n", "identities.a"),
        ("identities", IDENTITY + "access:\n  - §{paths: ['*'], verbs: [list]}\n", "access[0]"),
        ("paths", IDENTITY + "access:\n  - §{identities: [anna], verbs: [list]}\n", "access[0]"),
        ("verbs", IDENTITY + "access:\n  - §{identities: [anna], paths: ['*']}\n", "access[0]"),
        ("expect", IDENTITY + "tests:\n  - §{as: {unix: {uid: 1}}, path: a/b/c}\n", "tests[0]"),
        ("every", CONNECTION + ROLE + "    §drill: {}\n", "roles.main/a.drill"),
        ("within", CONNECTION + ROLE + "    §share: {}\n", "roles.main/a.share"),
    ):
        yield bad(f"missing {path} {key}", text, path, f"lacks the key {key}")


def words() -> Iterator[BadPolicy]:
    text = IDENTITY + "access:\n  - {identities: [anna], paths: ['*'], verbs: [§@@]}\n"
    for verb in ("read", "root", "ISSUE", "issue ", "sudo", "delete"):
        found = f"'{verb}'"
        near = "; did you mean issue?" if verb == "issue " else ""
        yield bad(
            f"verb {verb}",
            text.replace("@@", found),
            "access[0].verbs[0]",
            f"found {found}; allowed are {VERBS}{near}",
        )
    for key, value, allowed in (
        ("on_removal", "delete", "drain, revoke"),
        ("on_change", "now", "renew, enforce"),
        ("bind", "session", "none, process, unit, connection"),
    ):
        message = f"found '{value}'; allowed are {allowed}"
        yield bad(
            f"word {key}",
            f"{CONNECTION}{ROLE}    {key}: §{value}\n",
            f"roles.main/a.{key}",
            message,
        )


def _at(name: str, text: str, value: str, path: str, message: str) -> BadPolicy:
    return bad(f"{name} {value}", CONNECTION + text.replace("@@", f"§{value}"), path, message)
