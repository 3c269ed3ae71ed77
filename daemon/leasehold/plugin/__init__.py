"""All that a plugin may import, beside `dialling`, `http`, `lanes`, `statements` of this package.

`__all__` is the contract.
"""

from leasehold.clock import seconds_until
from leasehold.errors import (
    EngineError,
    EnginePermanent,
    EngineTemporary,
    ErrorClass,
    TargetChanged,
)
from leasehold.failpoints import hit as failpoint
from leasehold.globs import like
from leasehold.hosts import is_loopback
from leasehold.plugin.batch import BatchEngine, paged
from leasehold.plugin.engine import (
    Account,
    Ceiling,
    Engine,
    Health,
    Issued,
    IssueRequest,
    Removal,
    Revocability,
    Stage,
    removed,
)
from leasehold.plugin.hooks import hookimpl, hookspec
from leasehold.plugin.login import (
    BadLogin,
    LoginMethod,
    LoginRefused,
    LoginRequest,
    LoginUnavailable,
    Proven,
    Redeemed,
    TokenTerms,
)
from leasehold.plugin.passwords import PasswordPolicy, make_password, varied
from leasehold.plugin.secret_ids import SecretIdMethod, SecretIdRole
from leasehold.secret import Secret, revealed

__all__ = [
    "Account",
    "BadLogin",
    "BatchEngine",
    "Ceiling",
    "Engine",
    "EngineError",
    "EnginePermanent",
    "EngineTemporary",
    "ErrorClass",
    "Health",
    "IssueRequest",
    "Issued",
    "LoginMethod",
    "LoginRefused",
    "LoginRequest",
    "LoginUnavailable",
    "PasswordPolicy",
    "Proven",
    "Redeemed",
    "Removal",
    "Revocability",
    "Secret",
    "SecretIdMethod",
    "SecretIdRole",
    "Stage",
    "TargetChanged",
    "TokenTerms",
    "failpoint",
    "hookimpl",
    "hookspec",
    "is_loopback",
    "like",
    "make_password",
    "paged",
    "removed",
    "revealed",
    "seconds_until",
    "varied",
]
