"""Login methods whose proof is a secret id: one that an operator has made for one of their roles.

The method says which roles there are and what holds for them. The daemon makes secret ids, keeps
them as hashes, counts their uses, ends and audits them; a method redeems one by its request.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from leasehold.plugin.login import LoginMethod

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretIdRole:
    """What holds for the secret ids of a role.

    They end after `ttl_s` seconds, or when they were used `uses` times, 0 for any number. With
    `networks` they are good from there only. An empty `role_id` is one that the daemon makes up.
    """

    ttl_s: int
    uses: int
    networks: tuple[Network, ...] = ()
    role_id: str = ""


class SecretIdMethod(LoginMethod):
    """A login method with `roles`, by name. Its schema names the option that has them: `x-roles`.

    Whoever may make secret ids is asked for the path `auth/<method>/role/<role>`.
    """

    roles: Mapping[str, SecretIdRole]
