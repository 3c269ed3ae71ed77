"""The whole environment of the `git` command, so that nothing but our own settings can steer it.

Nothing is passed on of what the daemon was started with, but for where programs, temporary files
and proxies are: no GIT_ variable, no agent, no home. No secret stands in it (rule L3).
"""

import os
from pathlib import Path

from leasehold.settings import Settings
from leasehold.sources.url import GitUrl

_CONFIG = Path(__file__).with_name("gitconfig")
_KEPT = (
    "TMPDIR",
    *("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"),
)


def environment(repository: Path, url: GitUrl, settings: Settings) -> dict[str, str]:
    """For git on our bare `repository` and the one remote at `url`."""
    made = {name: os.environ[name] for name in _KEPT if name in os.environ}
    made |= {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(repository),
        "LC_ALL": "C",
        "TZ": "UTC",
        "GIT_DIR": str(repository),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": str(_CONFIG),
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ALLOW_PROTOCOL": url.scheme,
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_SSH_VARIANT": "ssh",
        "GIT_SSH_COMMAND": " ".join(_ssh(settings)),
    }
    if settings.git_ca_file is not None:
        made["GIT_SSL_CAINFO"] = str(settings.git_ca_file)
    if settings.gpg_home is not None:
        made["GNUPGHOME"] = str(settings.gpg_home)
    return made


def _ssh(settings: Settings) -> list[str]:
    """How git starts ssh. The schema keeps blanks, quotes and % out of the paths."""
    words = ["ssh", "-F", "/dev/null", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes"]
    words += ["-o", "ClearAllForwardings=yes", "-o", "ConnectTimeout=20"]
    words += ["-o", "IdentitiesOnly=yes", "-i", str(settings.git_ssh_key_file)]
    if settings.git_known_hosts_file is not None:
        words += ["-o", f"UserKnownHostsFile={settings.git_known_hosts_file}"]
        words += ["-o", "GlobalKnownHostsFile=/dev/null"]
    return words
