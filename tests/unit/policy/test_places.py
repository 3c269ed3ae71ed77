"""A bundle knows where its parts stand, and what a mount gives to roles that say nothing."""

from fakes.policies import loaded
from leasehold.bundle import Bundle, Mount

FILES = {
    "engines.yaml": """\
engines:
  # the first
  main: {type: fake, mount: database, connection: {host: a.b}}
  spare: {type: fake, connection: {host: a.b}}
lease_limits:
  database: {default_ttl: 10m, max_ttl: 2h}
""",
    "team/roles.yaml": """\
roles:
  main/app: {}


  main/admin:
    default_ttl: 5m
identities:
  app: {owner: o, tenant: t, match: [{unix: {uid: 7}}]}
""",
}


def bundle() -> Bundle:
    found = loaded(FILES)
    assert found.bundle is not None, found.problems
    return found.bundle


def test_every_engine_role_and_identity_has_its_file_and_line() -> None:
    assert bundle().places == {
        "engine:main": "engines.yaml:3",
        "engine:spare": "engines.yaml:4",
        "role:main/app": "team/roles.yaml:2",
        "role:main/admin": "team/roles.yaml:5",
        "identity:app": "team/roles.yaml:8",
    }


def test_a_mount_has_what_its_limits_say_or_what_is_built_in() -> None:
    assert bundle().mounts == {
        "database": Mount(default_ttl_s=600, max_ttl_s=7_200),
        "spare": Mount(),
    }
