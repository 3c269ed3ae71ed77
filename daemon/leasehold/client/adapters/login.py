"""What adapters for databases have in common: a user with a password, and no connection."""

from collections.abc import Mapping

from leasehold.errors import Invalid, Unavailable
from leasehold.secret import Secret


def login(fields: Mapping[str, Secret]) -> tuple[str, str]:
    """The user and the password of a credential. Raises Invalid when it has none."""
    try:
        return fields["username"].reveal(), fields["password"].reveal()
    except KeyError:
        has = ", ".join(sorted(fields))
        raise Invalid(
            f"this credential has {has}; a pool of connections needs username and password"
        ) from None


def no_connection(error: Exception) -> Unavailable:
    """A new credential opens no connection. The driver's text may name anything, so it is not told.

    The error is its cause, if it is raised from it.
    """
    return Unavailable(
        f"no connection with the new credential ({type(error).__name__}); is the address right?",
        retry_after_s=1,
    )
