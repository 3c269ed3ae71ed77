"""Who a caller of AWS is, by its ARN. Pure.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html. A session of a role has
a name that whoever assumes the role chooses, so it says nothing; the role is what counts. STS does
not tell a role's path, and the name of a role is its own in an account.
"""

import re
from dataclasses import dataclass

from leasehold.plugin import LoginRefused, LoginUnavailable
from leasehold_plugins.auth_aws.answer import CallerIdentity

_ARN = re.compile(
    r"arn:(aws[a-z-]{0,20}):(iam|sts)::([0-9]{12}):(root|[a-z-]{4,20}/[!-~]{1,1100})", re.ASCII
)
_NAME = r"[\w+=,.@-]{1,64}"
_SESSION = re.compile(rf"assumed-role/({_NAME})/{_NAME}", re.ASCII)
_USER_ID = re.compile(r"[!-~]{1,193}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """`arn` is that of the user, or of the role for a session of one; `role` is the role's name.

    `client_arn` and `user_id` are what STS said, for records.
    """

    account: str
    arn: str
    role: str | None
    client_arn: str
    user_id: str

    @property
    def short(self) -> str:
        """What it is called in listings."""
        return self.role or self.arn.rpartition(":")[2].rpartition("/")[2]


def principal_of(said: CallerIdentity) -> Principal:
    """Who it is. Raises LoginUnavailable for what cannot be an answer, LoginRefused for nobody."""
    found = _ARN.fullmatch(said.arn)
    if found is None or found[3] != said.account or not _USER_ID.fullmatch(said.user_id):
        raise LoginUnavailable("STS answered with an identity that contradicts itself")
    partition, service, account, resource = found.groups()
    session = _SESSION.fullmatch(resource) if service == "sts" else None
    if session is None and resource.startswith("assumed-role/"):
        raise LoginRefused("its ARN is that of no session of a role")
    role = None if session is None else session[1]
    arn = said.arn if role is None else f"arn:{partition}:iam::{account}:role/{role}"
    return Principal(account=account, arn=arn, role=role, client_arn=said.arn, user_id=said.user_id)
