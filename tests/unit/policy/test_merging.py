"""Many files are one policy: where an entry stands changes nothing but the lines that name it."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from fakes.policies import lines, loaded
from leasehold.bundle import Bundle

ENTRIES = {
    "engines": (
        "  one: {type: fake, connection: {host: one}}",
        "  two: {type: fake, mount: db, connection: {host: two}}",
    ),
    "roles": (
        "  one/app: {group: app, max_ttl: 1h}",
        "  two/app: {group: app}",
        "  two/admin: {group: admin, default_ttl: 5m, password_policy: long}",
    ),
    "lease_limits": ("  db: {max_ttl: 2h, max_leases: 9}", "  one: {max_leases_per_role: 3}"),
    "password_policies": ("  long: {length: 60}",),
    "identities": (
        "  anna: {owner: a, tenant: t, match: [{unix: {uid: 1}}]}",
        "  ben: {owner: b, tenant: t, match: [{unix: {uid: 2}}, {unix: {gid: 3}}]}",
    ),
    "access": (
        "  - {identities: [anna], paths: [db/creds/*], verbs: [issue]}",
        "  - {identities: [anna, ben], paths: [one/creds/app], verbs: [renew], max_ttl: 30m}",
        "  - {identities: [ben], paths: [leasehold/*], verbs: [operate]}",
    ),
}
ALL = [(section, entry) for section, entries in ENTRIES.items() for entry in entries]


def written(spread: list[int]) -> dict[str, str]:
    """The entries put into files by number, sections in the order that the files meet them."""
    files: dict[str, dict[str, list[str]]] = {}
    for (section, entry), number in zip(ALL, spread, strict=True):
        files.setdefault(f"{number}.yaml", {}).setdefault(section, []).append(entry)
    return {
        name: "".join(f"{section}:\n" + "\n".join(rows) + "\n" for section, rows in found.items())
        for name, found in sorted(files.items())
    }


def content(files: dict[str, str]) -> Bundle:
    """The bundle without what names its sources."""
    result = loaded(files)
    assert not result.problems
    assert result.bundle is not None
    grants = sorted((replace(grant, source="") for grant in result.bundle.grants), key=repr)
    return replace(result.bundle, digest="", grants=tuple(grants))


@given(st.lists(st.integers(0, 4), min_size=len(ALL), max_size=len(ALL)))
def test_how_entries_are_spread_over_files_does_not_change_the_bundle(spread: list[int]) -> None:
    assert content(written(spread)) == content(written([0] * len(ALL)))


@given(st.lists(st.integers(0, 4), min_size=len(ALL), max_size=len(ALL)), st.data())
def test_the_order_of_files_does_not_change_the_bundle(spread: list[int], data) -> None:
    files = written(spread)
    shuffled = dict(data.draw(st.permutations(list(files.items()))))
    assert content(shuffled) == content(files)


@given(st.lists(st.integers(0, 3), min_size=6, max_size=6))
def test_items_of_a_list_keep_their_places_in_every_file(spread: list[int]) -> None:
    files: dict[str, str] = {}
    wanted = []
    for number in spread:
        name = f"{number}.yaml"
        files.setdefault(name, "access:\n")
        files[name] += "  - {identities: [x], paths: ['*'], verbs: [fly]}\n"
        wanted.append(f"{name}:{files[name].count(chr(10))}:")
    found = [line for line in lines(dict(sorted(files.items()))) if "fly" in line]
    assert sorted(line.split("45:")[0] for line in found) == sorted(wanted)
    assert {line.split(": ")[1] for line in found} == {f"access[{i}].verbs[0]" for i in range(6)}


def test_a_name_in_three_files_is_told_twice_and_points_at_the_first() -> None:
    role = "roles:\n  one/app: {group: app}\n"
    engine = "engines:\n  one: {type: fake, connection: {host: one}}\n"
    assert lines({"a": engine, "b": role, "c": role, "d": "# again\n" + role}) == [
        "c:2:3: roles.one/app: is defined twice, first at b:2; remove one",
        "d:3:3: roles.one/app: is defined twice, first at b:2; remove one",
    ]


def test_what_could_not_be_read_is_not_said_to_be_missing() -> None:
    role = "roles:\n  one/app: {group: app}\n"
    for unread in ("\tengines:", "engine:\n  one: {}\n", "engines: []\n"):
        [only] = lines({"engines.yaml": unread, "roles.yaml": role})
        assert only.startswith("engines.yaml:")


def test_a_broken_entry_is_told_once_and_not_by_those_who_name_it() -> None:
    files = {
        "engines": "engines:\n  one: {type: fake, colour: red, connection: {host: one}}\n",
        "roles": "roles:\n  one/app: {group: app}\n",
        "people": "identities:\n  anna: {owner: a, tenant: t}\n",
        "access": "access:\n- {identities: [anna], paths: [one/creds/app], verbs: [issue]}\n",
    }
    assert [line.split(": ")[1] for line in lines(files)] == [
        "engines.one.colour",
        "identities.anna",
    ]
