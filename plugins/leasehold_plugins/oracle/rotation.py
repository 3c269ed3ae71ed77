"""Another password for a user that stands: the administrator's own, or one of a static role.

Oracle is sent the clear password, as when a user is made. A profile with PASSWORD_ROLLOVER_TIME
lets the old one live on for that time. Sessions that are open stay open.
"""

from leasehold.plugin import EnginePermanent, ErrorClass, Secret
from leasehold_plugins.oracle import recipes
from leasehold_plugins.oracle.errors import NO_SUCH_USER, USED_BEFORE, describe
from leasehold_plugins.oracle.link import SqlError
from leasehold_plugins.oracle.making import LONGEST, takes_long_passwords
from leasehold_plugins.oracle.session import Session
from leasehold_plugins.oracle.statements import identifier

_MAY_NOT = (1031, 28221)
"""No right; and the old password, which leasehold does not send, is asked for in its place."""


class UsedBefore(EnginePermanent):
    """The profile refuses a password that was used before; it may be the one that holds."""


async def give(session: Session, username: str, password: Secret) -> None:
    """Have a user, ourselves too, log in with `password` from now on. Raises UsedBefore."""
    clear, name = password.reveal(), identifier(username)
    if len(clear) > LONGEST and not takes_long_passwords(session.numbers):
        raise EnginePermanent(
            f"the password has {len(clear)} characters, and Oracle before 23 takes {LONGEST}; name"
            f" a password_policy with length: {LONGEST}",
            error_class=ErrorClass.INVALID,
        )
    try:
        await session.execute(recipes.password(username, clear))
    except SqlError as error:
        if error.number == NO_SUCH_USER:
            raise EnginePermanent(
                f"there is no user {name}", error_class=ErrorClass.ABSENT
            ) from error
        if error.number in _MAY_NOT:
            raise EnginePermanent(
                f"the administrator may not set the password of {name}: GRANT ALTER USER TO it;",
                error_class=ErrorClass.DENIED,
            ) from error
        if error.number == USED_BEFORE:
            raise UsedBefore(describe(error.number), error_class=ErrorClass.INVALID) from error
        raise


async def give_static(session: Session, username: str, password: Secret, admin: str) -> None:
    """The same for a user that is not ourselves, who log in as `admin`."""
    if identifier(username) == identifier(admin):
        raise EnginePermanent(
            f"{username} is the administrator, whose password root_rotation changes",
            error_class=ErrorClass.INVALID,
        )
    await give(session, username, password)
