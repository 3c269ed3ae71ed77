"""MIGRATION.md: what was taken, what is left to do, and in which order to change over. Pure."""

from collections.abc import Iterator, Sequence

from leasehold.importing.draft import Draft, Place
from leasehold.importing.engines import FILL_IN, SECRETS
from leasehold.importing.notes import one_line
from leasehold.importing.snapshot import Snapshot
from leasehold.policy.durations import text

_DIFFERENT = """\
## What is different for callers

- On the daemon's host they ask over a Unix socket, and are known by the user and the groups that
  they run as. `VAULT_ADDR` becomes `unix:///run/leasehold/leasehold.sock`; no login and no token is
  needed for that. From other hosts they ask over TLS, with a certificate or a token.
- Paths, fields and leases are Vault's: `GET /v1/<mount>/creds/<role>`, `username` and `password`,
  `lease_id`, `lease_duration`, renew and revoke.
- Account names are computed (`lh…`), since they lead back to their lease.
- A lease ends by itself, not with a token. Renewing moves its end at most to the role's
  `max_ttl`.
- Without a TTL of its own a lease lasts 1 h and at most 24 h, where Vault's default is 768 h for
  both.
- When a lease ends, what its account owns is dropped with it (`DROP OWNED`), where Vault's
  default fails and leaves the account; `reassign_owned_to` gives it to a role instead.
"""
_ORDER = """\
## In which order

1. Put these files into git, and do what stands above under *To fill in*.
2. `leasehold validate DIR`, until it warns of no user that is missing on the host that will
   serve.
3. `leasehold serve` beside Vault, with an administrator of its own in each database: both make
   accounts, neither sees those of the other. `leasehold engines` names the rights that it lacks.
4. `leasehold drill PATH` for each role: issue, log in, revoke, see the login refused.
5. One caller after the other: its user into `identities.yaml`, `leasehold plan`, `leasehold
   apply`, then its `VAULT_ADDR` to the socket. Back is the old `VAULT_ADDR`.
6. When nobody asks Vault for a role any more (its audit log tells), let its leases end there:
   `vault list sys/leases/lookup/<mount>/creds/<role>` until it is empty, or `vault lease revoke
   -prefix`.
7. Take the role away from Vault, then the connection, then the mount, in this order: a mount that
   goes revokes what is left below it, and a connection that goes first leaves accounts behind.
8. The administrator that Vault used goes last.
"""


def guide(draft: Draft, snapshot: Snapshot, shown: str) -> str:
    """The whole text, for people who know Vault."""
    parts = [
        f"# From {_plain(shown)} to leasehold\n\nWritten by `leasehold import vault`, which read"
        " the source and changed nothing there. The steps with their reasons:"
        " docs/migrating-from-vault.md of leasehold.\n",
        "\n".join(_taken(draft, snapshot)),
        "\n".join(_to_fill_in(draft)),
        "\n".join(_roles(draft.places)),
        "\n".join(_notes(draft)),
        _DIFFERENT,
        _ORDER,
    ]
    return "\n".join(parts)


def _taken(draft: Draft, snapshot: Snapshot) -> Iterator[str]:
    connections = sum(len(database.connections) for database in snapshot.databases)
    roles = sum(len(database.roles) for database in snapshot.databases)
    yield "## What was taken over\n"
    yield "| in the source | there | taken over |"
    yield "|---|---|---|"
    yield f"| connections of databases | {connections} | {len(draft.engines)} |"
    yield f"| roles of databases | {roles} | {len(draft.roles)} |"
    there, taken = len(snapshot.password_policies), len(draft.password_policies)
    yield f"| password policies | {there} | {taken} |"
    yield f"| roles of auth methods | {len(snapshot.logins)} | {len(draft.identities)} |"
    yield (
        "\nOf the auth methods' roles, those that reach no role of a database which was taken over"
        " are left out.\n"
    )


def _to_fill_in(draft: Draft) -> Iterator[str]:
    yield "## To fill in\n"
    for name, entry in sorted(draft.engines.items()):
        connection = entry.value["connection"]
        for key in ("url", "password"):
            if str(connection.get(key)).startswith(f"file:{SECRETS}/"):
                file = connection[key].removeprefix("file:")
                yield f"- [ ] `{file}`: the {key} of `{name}`, mode 0600, the daemon user's"
        if connection.get("username") == FILL_IN:
            yield f"- [ ] `engines.yaml`: the username of `{name}`"
    for name in sorted(draft.identities):
        yield f"- [ ] `identities.yaml`: owner, tenant and match of `{name}`"
    yield (
        "- [ ] an identity for operators, with the verb `operate` at `leasehold/*`, and `list` and"
        " `revoke-any` where they need them\n"
    )


def _roles(places: Sequence[Place]) -> Iterator[str]:
    yield "## Role by role\n"
    if not places:
        yield "None was taken over.\n"
    for place in sorted(places, key=lambda each: each.role):
        default, most = map(text, place.lasted_s)
        moved = f", in the source at {place.theirs}" if place.ours != place.theirs else ""
        yield f"### {place.role}\n"
        yield f"- asked for at `{place.ours}`{_plain(moved)}"
        yield f"- in the source a lease lasted {default}, and at most {most}"
        for warning in place.warnings:
            yield f"- {_plain(warning)}"
        yield from _membership(place)
        yield ""


def _membership(place: Place) -> Iterator[str]:
    """How the role would look with `member_of`, where each account gets rights by GRANT."""
    if not (place.groups or place.grants):
        return
    group = f"{place.role.partition('/')[2].replace('-', '_')}_rights"
    groups = [*place.groups, *([group] if place.grants else [])]
    yield (
        f"- each account gets rights by GRANT; better is `member_of: [{', '.join(groups)}]` instead"
        " of the statements, and once, in the database:\n"
    )
    yield "  ```sql"
    if place.grants:
        yield f"  CREATE ROLE {group} NOLOGIN;"
        yield from (f"  {one_line(grant).replace('`', '')} {group};" for grant in place.grants)
    for each in groups:
        yield f"  GRANT {each} TO leasehold WITH ADMIN OPTION;  -- the administrator"
    yield "  ```"


def _notes(draft: Draft) -> Iterator[str]:
    yield "## What has no equal\n"
    if not draft.notes.found:
        yield "Nothing was found.\n"
        return
    by_place: dict[str, list[str]] = {}
    for note in draft.notes.found:
        by_place.setdefault(note.about, []).append(note.text)
    for about, found in sorted(by_place.items()):
        yield f"- **{_plain(about)}**"
        yield from (f"  - {_plain(each)}" for each in found)
    yield ""


def _plain(found: str) -> str:
    """A text of the source's, in one line that Markdown does not take for a mark of its own."""
    return one_line(found).replace("<", "&lt;").replace("*", "\\*").replace("|", "\\|")
