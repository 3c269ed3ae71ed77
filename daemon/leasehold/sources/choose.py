"""Which source of policy the settings name."""

from pathlib import Path

from leasehold.bundle import Reference
from leasehold.errors import ConfigError
from leasehold.policy.references import BadReference, parse
from leasehold.settings import Settings
from leasehold.sources.directory import DirectorySource
from leasehold.sources.git import GitSource
from leasehold.sources.source import Source
from leasehold.sources.url import parse as parse_url


def source_for(settings: Settings) -> Source:
    """The directory or the git ref that `policies` names. Raises ConfigError; reads nothing."""
    if "://" not in settings.policies:
        return DirectorySource(Path(settings.policies))
    url = parse_url(settings.policies)
    if url.scheme == "ssh" and settings.git_ssh_key_file is None:
        raise ConfigError("policies: git+ssh needs a key; set git_ssh_key_file")
    return GitSource(url, _token(settings.git_token), settings)


def _token(text: str | None) -> Reference | None:
    if text is None:
        return None
    try:
        reference = parse(text)
    except BadReference as bad:
        raise ConfigError(f"git_token: {bad}") from bad
    if reference is None:
        raise ConfigError("git_token: holds a value; allowed is a reference such as file:/path")
    return reference
