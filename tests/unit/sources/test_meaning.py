"""What git says when a remote fails, told apart and never passed on."""

import pytest

from leasehold.sources.git_meaning import meaning


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("fatal: couldn't find remote ref refs/heads/x", "name a branch that is there"),
        ("ssh: Could not resolve hostname h: Name or service not known", "cannot be resolved"),
        ("fatal: unable to access 'https://h/': Could not resolve host: h", "cannot be resolved"),
        ("ssh: connect to host h port 22: Connection refused", "cannot be reached"),
        ("fatal: unable to access 'https://h/': The requested URL returned error: 503", "reached"),
        ("fatal: unable to access 'https://h/': The requested URL returned error: 403", "login"),
        ("fatal: could not read Password for 'https://g@h': terminal prompts disabled", "login"),
        ("git@h: Permission denied (publickey).\nfatal: Could not read from remote", "login"),
        (
            "Host key verification failed.\nfatal: Could not read from remote",
            "git_known_hosts_file",
        ),
        (
            "fatal: unable to access 'https://h/': The requested URL returned error: 301",
            "elsewhere",
        ),
        ("fatal: repository 'https://h/p/' not found", "no such repository"),
        ("ERROR: Repository not found.\nfatal: Could not read from remote", "no such repository"),
        ("fatal: '/x' does not appear to be a git repository", "no such repository"),
        (
            "fatal: unable to access 'https://h/': SSL certificate problem: self-signed",
            "git_ca_file",
        ),
        ("fatal: unable to access 'https://h/': server certificate verification failed", "git_ca"),
        ("error: cannot run ssh: No such file or directory", "ssh is not installed"),
        ("git: 'remote-https' is not a git command. See 'git --help'.", "cannot do https"),
        ("error: object 1f: badTree\nfatal: fsck error in packed object", "no sound repository"),
        ("fatal: mismatched algorithms: client sha1; server sha256", "SHA-1"),
        ("fatal: write error: No space left on device", "disk"),
    ],
)
def test_what_happened_is_told_with_what_to_do(said: str, meant: str) -> None:
    found = meaning(said)
    assert found is not None
    assert meant in found


def test_what_a_server_says_of_its_own_accord_means_nothing() -> None:
    assert meaning("remote: Authentication failed\nfatal: something new") is None
