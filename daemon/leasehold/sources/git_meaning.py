"""What it means that git could not reach or read a remote: a fixed text, and what to do next. Pure.

git's own words, of versions 2.34 to 2.39 and of the ssh and curl below it, are only told apart and
never passed on: a server can put anything into them.
"""

import re

NO_SUCH_REF = "there is no such ref in the repository; name a branch that is there"
_MEANINGS = (
    ("couldn't find remote ref", NO_SUCH_REF),
    (
        "Host key verification failed",
        "the host's key is not the known one; find out whether it changed, and put the right one"
        " into git_known_hosts_file",
    ),
    (
        r"could not read (Username|Password)|Authentication failed|error: 40[13]|Permission denied",
        "the login is refused; look at git_token or git_ssh_key_file",
    ),
    (
        r"error: 3\d\d",
        "the server leads elsewhere, which is not followed; write the address that it leads to"
        " (often .git lacks at its end)",
    ),
    (
        r"epository .*not found|error: 404|not appear to be a git repository|not a git repository",
        "there is no such repository, or this login may not see it",
    ),
    (
        "certificate",
        "the server's certificate is not trusted; for an authority of your own set git_ca_file",
    ),
    ("[Cc]ould not resolve", "the host's name cannot be resolved"),
    (
        r"[Cc]ould(n't| not) connect|Failed to connect|onnection (refused|reset|timed out|closed)"
        r"|unreachable|error: 5\d\d|No route|timed out|hung up|early EOF",
        "it cannot be reached, or broke off; it is tried again",
    ),
    ("cannot run ssh", "ssh is not installed; install it"),
    ("'remote-https' is not a git command", "this git cannot do https; install it whole"),
    (
        "fsck|mismatched algorithms|index-pack",
        "it sent what is no sound repository of SHA-1 objects, or more than 1 GiB",
    ),
    ("No space left", "the disk of the state directory is full"),
)
_COMPILED = tuple((re.compile(pattern), meaning) for pattern, meaning in _MEANINGS)


def meaning(words: str) -> str | None:
    """The first that fits what git said; None when nothing does.

    Lines that the server had git print are left aside.
    """
    said = "\n".join(line for line in words.splitlines() if not line.startswith("remote:"))
    return next((text for pattern, text in _COMPILED if pattern.search(said)), None)
