"""Whatever a policy holds, it is a bundle or it has problems; nothing in it raises."""

import copy
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fakes.policies import loaded

GOOD: dict[str, Any] = {
    "engines": {"one": {"type": "fake", "mount": "db", "connection": {"host": "h"}}},
    "roles": {"one/app": {"group": "app", "default_ttl": "1h", "password_policy": "long"}},
    "lease_limits": {"db": {"max_ttl": "1d", "max_leases": 5}},
    "password_policies": {"long": {"length": 40, "required": {"digits": 2}}},
    "identities": {"anna": {"owner": "o", "tenant": "t", "match": [{"unix": {"uid": 1}}]}},
    "access": [{"identities": ["anna"], "paths": ["db/creds/app"], "verbs": ["issue"]}],
}
WORDS = (
    "one",
    "db",
    "one/app",
    "max_ttl",
    "max_leases",
    "type",
    "fake",
    "unix",
    "uid",
    "x",
    "",
    "1h",
)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-1, 10**25)
    | st.sampled_from(WORDS)
    | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from([*GOOD, *WORDS]), inner, max_size=3)
    ),
    max_leaves=6,
)


@st.composite
def nearly_good(draw: st.DrawFn) -> dict[str, Any]:
    """A good policy with a few things changed, added or taken away, at any depth."""
    policy = copy.deepcopy(GOOD)
    for _ in range(draw(st.integers(0, 3))):
        node: Any = policy
        while True:
            inner = [key for key in node if isinstance(node, dict)] or list(range(len(node)))
            if not inner or draw(st.integers(0, 5)) == 0:
                _grow(node, draw)
                break
            key = draw(st.sampled_from(inner))
            if not isinstance(node[key], dict | list) or draw(st.integers(0, 3)) == 0:
                node[key] = draw(values)
                break
            node = node[key]
    return policy


def _grow(node: Any, draw: st.DrawFn) -> None:
    if isinstance(node, dict):
        node[draw(st.sampled_from(WORDS))] = draw(values)
    else:
        node.append(draw(values))


@given(nearly_good())
def test_any_policy_is_a_bundle_or_has_problems(policy: dict[str, Any]) -> None:
    result = loaded({"f": json.dumps(policy, ensure_ascii=False)})
    assert (result.bundle is None) == bool(result.problems)
    assert list(result.problems) == sorted(set(result.problems))
    assert all(problem.place.file == "f" for problem in result.problems)
    assert all("\n" not in problem.line() for problem in result.problems)


def test_the_policy_they_all_come_from_is_good() -> None:
    assert loaded({"f": json.dumps(GOOD)}).problems == ()
