"""Another password for a user that stands: the administrator's own, or one of a static role.

`updateUser` is one step, and done when a majority has it. Whether it was done cannot be told from a
login that is refused after it was sent: it may have been sent at a primary that stepped down, and
the next one has the new password already. So only what the server says of the command itself counts
as a refusal.
"""

from pymongo.errors import OperationFailure

from leasehold.plugin import EngineError, EnginePermanent, EngineTemporary, ErrorClass, Secret
from leasehold_plugins.mongodb.deployment import Client, Command, Deployment
from leasehold_plugins.mongodb.errors import UNAUTHORIZED, USER_NOT_FOUND
from leasehold_plugins.mongodb.preflight import database, grant
from leasehold_plugins.mongodb.topology import is_sharded

SHA_256 = "SCRAM-SHA-256"


async def give(
    deployment: Deployment, username: str, db: str, password: Secret, right: str
) -> None:
    """Have the user of `db` log in with `password` from now on, which takes `right`.

    Raises EngineError; after one without an unknown outcome nothing was changed.
    """
    try:
        command = await _command(deployment, username, db, password)
        caches = await _caches(deployment)
    except EngineTemporary as error:
        raise EngineTemporary(error.reason) from error
    try:
        await deployment.ask(command, db, lane="issuing")
        for client in caches:
            await deployment.run(client, {"invalidateUserCache": 1})
    except EngineError as error:
        code = error.__cause__.code if isinstance(error.__cause__, OperationFailure) else None
        if code == UNAUTHORIZED:
            raise EnginePermanent(
                grant(f"cannot set the password of {username}", database(db), right),
                error_class=ErrorClass.DENIED,
            ) from error
        if code == USER_NOT_FOUND:
            raise
        raise EngineTemporary(error.reason, outcome_unknown=True) from error


async def _command(deployment: Deployment, username: str, db: str, password: Secret) -> Command:
    looked = await deployment.ask({"usersInfo": {"user": username, "db": db}}, lane="issuing")
    if not looked["users"]:
        raise EnginePermanent(
            f"there is no user {username} in {db}; make it there, or name another",
            error_class=ErrorClass.ABSENT,
        )
    # Without them the server would add SCRAM-SHA-1 to a user that had it taken away.
    known = looked["users"][0].get("mechanisms", ())
    return {
        "updateUser": username,
        "pwd": password.reveal(),
        "mechanisms": sorted({SHA_256, *known}),
        "writeConcern": deployment.write_concern,
    }


async def _caches(deployment: Deployment) -> list[Client]:
    """Each mongos that is to forget the user, logged in while the old password still holds."""
    if not is_sharded(deployment.servers()):
        return []
    members = await deployment.members()
    for client in members:
        await deployment.run(client, {"ping": 1})
    return members
