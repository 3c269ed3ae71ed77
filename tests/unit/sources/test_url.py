"""The address of a policy in git: what it may hold, and one clear line for what it may not."""

import string
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leasehold.errors import ConfigError
from leasehold.sources.url import GitUrl, parse

WORDS = st.text(string.ascii_letters + string.digits + "_", min_size=1, max_size=12)
FOLDERS = st.lists(st.one_of(WORDS, st.sampled_from(["a b", "ü", "x&y", "50%"])), max_size=3)


def refusal(text: str) -> str:
    with pytest.raises(ConfigError) as refused:
        parse(text)
    return str(refused.value)


def test_a_repository_of_this_machine() -> None:
    text = "git+file:///srv/policy%20one.git#main"
    assert parse(text) == GitUrl(
        location=text,
        scheme="file",
        address="file:///srv/policy%20one.git",
        user="",
        host="",
        ref="refs/heads/main",
    )
    assert parse(text).file_path == "/srv/policy one.git"


def test_a_repository_of_a_host_with_all_that_can_be_said() -> None:
    url = parse(
        "git+https://bot@git.example.com:8443/team/policy.git?path=a/b/&every=5m#refs/tags/v1"
    )
    assert url.address == "https://bot@git.example.com:8443/team/policy.git"
    assert (url.user, url.host) == ("bot", "git.example.com:8443")
    assert (url.ref, url.path, url.every_s) == ("refs/tags/v1", "a/b", 300)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("git+ssh://git@host/team/policy.git#main", "ssh://git@host/team/policy.git"),
        ("git+ssh://git@[::1]:2222/~/policy#main", "ssh://git@[::1]:2222/~/policy"),
    ],
)
def test_a_repository_by_ssh(text: str, address: str) -> None:
    assert parse(text).address == address


def test_a_short_name_is_a_branch_and_never_a_tag() -> None:
    assert parse("git+https://h/p#v1").ref == "refs/heads/v1"
    assert parse("git+https://h/p#team/main").ref == "refs/heads/team/main"


@given(
    scheme=st.sampled_from(["https", "ssh"]),
    host=WORDS.filter(lambda word: "_" not in word),
    repository=WORDS,
    path=FOLDERS,
    every_s=st.integers(1, 86_400),
    branch=WORDS.filter(lambda word: len(word) < 40),
)
def test_what_is_written_is_what_is_read(
    scheme: str, host: str, repository: str, path: list[str], every_s: int, branch: str
) -> None:
    folder = "/".join(path)
    options = f"?path={quote(folder, safe='/')}&every={every_s}"
    url = parse(f"git+{scheme}://{host}/{repository}.git{options}#{branch}")
    assert url.address == f"{scheme}://{host.lower()}/{repository}.git"
    assert (url.path, url.every_s, url.ref) == (folder, every_s, f"refs/heads/{branch}")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("https://host/policy.git#main", "https:// is not served; write git+https://"),
        ("git+http://host/policy.git#main", "did you mean git+https? allowed are"),
        ("s3://bucket/x#main", "no such scheme; allowed are git+file, git+https and git+ssh"),
        ("git+ext://sh -c id#main", "a blank or a special character"),
        ("git+ext://sh%20-c#main", "no such scheme"),
        ("git+file://srv/policy#main", "write three slashes"),
        ("git+file:///#main", "names no repository"),
        ("git+https://host#main", "names no repository"),
        ("git+https:///policy#main", "names no host"),
        ("git+ssh://-oProxyCommand=id/policy#main", "names no host"),
        ("git+ssh://-l@host/policy#main", "the user in the address is no name"),
        ("git+https://[::1/policy#main", "is no address"),
        ("git+https://host:99999/policy#main", "is no address"),
        ("git+https://host/policy", "names no branch; add it at the end"),
        ("git+https://host/policy#", "names no branch; add it at the end"),
        ("git+https://host/policy#-f", "names no branch after the #"),
        ("git+https://host/policy#a..b", "names no branch after the #"),
        ("git+https://host/policy#a.lock", "names no branch after the #"),
        ("git+https://host/policy#+main:refs/heads/x", "names no branch after the #"),
        (f"git+https://host/policy#{'0a' * 20}", "names a commit"),
        ("git+https://host/policy?pth=x#main", "no such option; did you mean path?"),
        ("git+https://host/policy?depth=1#main", "no such option; did you mean path?"),
        ("git+https://host/policy?branch=1#main", "no such option; allowed are path and every"),
        ("git+https://host/policy?path#main", "an option has no value"),
        ("git+https://host/policy?path=a&path=b#main", "the option path stands twice"),
        ("git+https://host/policy?path=/a#main", "path names no folder"),
        ("git+https://host/policy?path=a/../b#main", "path names no folder"),
        ("git+https://host/policy?path=./a#main", "path names no folder"),
        ("git+https://host/policy?every=soon#main", "every is no duration"),
        ("git+https://host/policy?every=0#main", "every is out of range; allowed is 1s to 1d"),
        ("git+https://host/policy?every=25h#main", "every is out of range; allowed is 1s to 1d"),
        ("git+https://host/pol\nicy#main", "a blank or a special character"),
        ("git+https://host/pol%0aicy#main", "a blank or a special character"),
    ],
)
def test_a_fault_is_one_line_that_says_what_is_allowed(text: str, words: str) -> None:
    line = refusal(text)
    assert line.startswith("policies: ")
    assert words in line
    assert "\n" not in line


@pytest.mark.parametrize(
    "text",
    [
        "git+https://bot:hunter2@host/policy.git#main",
        "git+https://:hunter2@host/policy.git#main",
        "git+http://bot:hunter2@host/policy.git#main",
        "https://bot:hunter2@host/policy.git#main",
        "git+https://hunter2%20x@host/policy.git#main",
        "git+https://bot:hunter2@host:x/policy.git#main",
    ],
)
def test_what_may_be_a_password_is_refused_and_not_shown(text: str) -> None:
    assert "hunter2" not in refusal(text)


@given(
    st.one_of(
        st.text(max_size=40),
        st.text(string.printable, max_size=40).map("git+https://host/x".__add__),
        st.text(string.printable, max_size=40).map("git+file:///".__add__),
    )
)
def test_any_text_is_an_address_or_one_line(text: str) -> None:
    try:
        url = parse(text)
    except ConfigError:
        assert "\n" not in refusal(text)
    else:
        assert not any(blank in url.address + url.ref for blank in " \n\t")
        assert url.ref.startswith("refs/")
