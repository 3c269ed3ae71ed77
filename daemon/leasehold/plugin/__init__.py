"""All that an engine may import. The `__all__` below is the contract."""

from leasehold.errors import (
    EngineError,
    EnginePermanent,
    EngineTemporary,
    ErrorClass,
    TargetChanged,
)
from leasehold.failpoints import hit as failpoint
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
)
from leasehold.plugin.hooks import hookimpl, hookspec
from leasehold.plugin.passwords import PasswordPolicy, make_password
from leasehold.secret import Secret

__all__ = [
    "Account",
    "Ceiling",
    "Engine",
    "EngineError",
    "EnginePermanent",
    "EngineTemporary",
    "ErrorClass",
    "Health",
    "IssueRequest",
    "Issued",
    "PasswordPolicy",
    "Removal",
    "Revocability",
    "Secret",
    "Stage",
    "TargetChanged",
    "failpoint",
    "hookimpl",
    "hookspec",
    "make_password",
]
