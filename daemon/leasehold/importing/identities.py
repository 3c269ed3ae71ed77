"""Roles of auth methods as identities, to be filled in. Pure.

Vault knows who asks by a token that a login gave; leasehold on its host by what the kernel says.
Nothing in Vault says which user a program runs as, so an identity matches nobody until somebody
fills it in, with that or with another proof:
it names a user with a colon, which no line of /etc/passwd can hold.
"""

import json
from collections.abc import Sequence
from typing import Any

from leasehold.importing.engines import FILL_IN
from leasehold.importing.snapshot import Login, texts, whole
from leasehold.importing.yaml_text import Entry

_TOLD = (
    "allowed_common_names",
    "allowed_dns_sans",
    "bind_secret_id",
    "bound_audiences",
    "bound_claims",
    "bound_service_account_names",
    "bound_service_account_namespaces",
    "bound_subject",
    "display_name",
    "path_suffix",
    "secret_id_bound_cidrs",
    "token_bound_cidrs",
    "user_claim",
)
"""What of a login says something about who it is."""


def policies_of(login: Login) -> list[str]:
    """The policies that a token of this login has, sorted."""
    fields = login.fields
    if login.type == "token":
        named = texts(fields.get("allowed_policies"))
    else:
        named = texts(fields.get("token_policies")) or texts(fields.get("policies"))
    default = [] if fields.get("token_no_default_policy") else ["default"]
    return sorted({*(name.lower() for name in named), *default})


def longest_s(login: Login) -> int:
    """How long a token of this login can live, and so its leases; 0 for as long as it is renewed.

    A periodic token has no end but an explicit one.
    """
    fields = login.fields
    keys = ["token_explicit_max_ttl", "explicit_max_ttl"]
    if not (whole(fields.get("token_period")) or whole(fields.get("period"))):
        keys += ["token_max_ttl", "max_ttl"]
    return min((s for key in keys if (s := whole(fields.get(key)))), default=0)


def identity_entry(name: str, login: Login, policies: Sequence[str]) -> Entry:
    """The identity, which matches nobody yet."""
    told = [f"{key}: {_shown(login.fields[key])}" for key in _TOLD if login.fields.get(key)]
    comments = [
        f"From {login.path}, with the policies {', '.join(policies) or 'none'}.",
        *([f"There it is known by {'; '.join(told)}."] if told else []),
        "Fill in owner, tenant and who it is. As it stands it matches nobody.",
    ]
    match = {"unix": {"user": f"{FILL_IN}:{name}"}}
    return Entry({"owner": FILL_IN, "tenant": FILL_IN, "match": [match]}, comments)


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)
