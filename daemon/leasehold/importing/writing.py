"""An imported policy as files, which never overwrite what somebody else wrote unasked."""

import os
from collections.abc import Mapping
from pathlib import Path

from leasehold.errors import ConfigError
from leasehold.importing.draft import Draft
from leasehold.importing.guide import guide
from leasehold.importing.snapshot import Snapshot
from leasehold.importing.yaml_text import file_text

GUIDE = "MIGRATION.md"


def files(draft: Draft, snapshot: Snapshot, shown: str) -> dict[str, str]:
    """Every file by name; the same for the same source, so that a second import differs nowhere.

    `shown` is the address of the source.
    """
    about = f"Imported from {shown} by `leasehold import vault`; {GUIDE} has what is left to do."
    return {
        "engines.yaml": file_text(
            [about, *draft.refused_of("engines")], {"engines": draft.engines}
        ),
        "roles.yaml": file_text([about, *draft.refused_of("roles")], {"roles": draft.roles}),
        "limits.yaml": file_text(
            [about, *draft.refused_of("password_policies")],
            {"lease_limits": draft.lease_limits, "password_policies": draft.password_policies},
        ),
        "identities.yaml": file_text([about], {"identities": draft.identities}),
        "access.yaml": file_text([about], {"access": draft.access}),
        GUIDE: guide(draft, snapshot, shown),
    }


def check_folder(out: Path, *, force: bool) -> None:
    """Raise ConfigError when `out` holds something, unless `force`, or is no directory."""
    if out.is_dir():
        if not force and any(out.iterdir()):
            raise ConfigError(f"{out}: is not empty; name another --out, or --force to overwrite")
    elif out.exists() or out.is_symlink():
        raise ConfigError(f"{out}: is not a directory")


def write(out: Path, texts: Mapping[str, str]) -> None:
    """Write the files, each whole or not at all, as nobody but the owner may change them."""
    out.mkdir(mode=0o755, parents=True, exist_ok=True)
    for name, text in texts.items():
        new = out / f".{name}.new"
        new.unlink(missing_ok=True)
        handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        new.replace(out / name)
