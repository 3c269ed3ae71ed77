"""Objects that name an account as their DEFINER: views, routines, triggers, events.

They work with the account's rights, and go on doing so while it stands, locked or not; once it is
dropped they fail (error 1449). So an account that left some behind is not dropped unless its role
says so. Views and events can be given another DEFINER in place; a routine or a trigger would have
to be dropped first, which no server undoes, so those are left to a person.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from leasehold_plugins.mysql.recipes import Login
from leasehold_plugins.mysql.session import Session
from leasehold_plugins.mysql.statements import identifier, literal

LEAVE = "leave"
"""The role's option `definer_objects`: drop the account, whatever names it."""

_KINDS = {
    "view": ("views", "table"),
    "routine": ("routines", "routine"),
    "trigger": ("triggers", "trigger"),
    "event": ("events", "event"),
}


@dataclass(frozen=True, slots=True)
class Object:
    """One of them."""

    kind: str
    schema: str
    name: str

    @property
    def quoted(self) -> str:
        """Its name as a statement writes it."""
        return f"{identifier(self.schema)}.{identifier(self.name)}"


def look(session: Session, logins: Iterable[Login]) -> Mapping[Login, Sequence[Object]]:
    """The objects of each account, in one round trip. Only those that we may see."""
    by_definer = {f"{name}@{host}": (name, host) for name, host in logins}
    if not by_definer:
        return {}
    listed = ", ".join(map(literal, by_definer))
    query = " UNION ALL ".join(
        f"SELECT definer, '{kind}', {part}_schema, {part}_name"  # noqa: S608 (our own words)
        f" FROM information_schema.{table} WHERE definer IN ({listed})"
        for kind, (table, part) in _KINDS.items()
    )
    found: defaultdict[Login, list[Object]] = defaultdict(list)
    for definer, kind, schema, name in session.execute(query):
        if login := by_definer.get(definer):
            found[login].append(Object(kind, schema, name))
    return found


def reassign(session: Session, objects: Iterable[Object], login: Login, heir: Login) -> None:
    """Give views and events of `login` the DEFINER `heir`. Raises the driver's errors."""
    for each in objects:
        if each.kind == "view":
            session.execute(_altered_view(session, each, login, heir))
        elif each.kind == "event":
            session.execute(_altered_event(session, each, heir))


def _altered_view(session: Session, view: Object, login: Login, heir: Login) -> str:
    [(_, created, *_rest)] = session.execute(f"SHOW CREATE VIEW {view.quoted}")
    altered = created.replace(f"DEFINER={_definer(login)}", f"DEFINER={_definer(heir)}", 1)
    return str(altered).replace("CREATE ", "ALTER ", 1)


def _altered_event(session: Session, event: Object, heir: Login) -> str:
    # An ALTER EVENT has to alter something besides; its comment may be said again.
    [(comment,)] = session.execute(
        "SELECT event_comment FROM information_schema.events"
        " WHERE event_schema = %s AND event_name = %s",
        (event.schema, event.name),
    )
    return f"ALTER DEFINER = {_definer(heir)} EVENT {event.quoted} COMMENT {literal(comment)}"


def _definer(login: Login) -> str:
    return "@".join(map(identifier, login))


def read_login(text: str) -> Login:
    """`user@host`, or `user` at any host, as a role's option writes it."""
    name, _, host = text.rpartition("@")
    return (name, host) if name else (host, "%")
