"""A unit is what systemd made of it, whatever stands further down in the path."""

import pytest

from leasehold.identity.cgroup import facts_in, path_in


@pytest.mark.parametrize(
    ("path", "slice", "unit", "user_unit"),
    [
        ("/system.slice/billing.service", "system.slice", "billing.service", None),
        ("/system.slice/system-a.slice/a@1.service/x", "system-a.slice", "a@1.service", None),
        ("/user.slice/user-7.slice/session-3.scope", "user-7.slice", "session-3.scope", None),
        (
            "/user.slice/user-7.slice/user@7.service/app.slice/billing.service",
            "user-7.slice",
            "user@7.service",
            "billing.service",
        ),
        ("/a.slice/user@7.service/init.scope", "a.slice", "user@7.service", "init.scope"),
        ("/init.scope", None, "init.scope", None),
        ("/system.slice/_cgroup.service", "system.slice", "cgroup.service", None),
        ("/", None, None, None),
    ],
)
def test_the_first_name_below_the_slices_is_the_unit(
    path: str, slice: str | None, unit: str | None, user_unit: str | None
) -> None:
    facts = facts_in(path)
    assert facts["cgroup"] == path
    assert (facts.get("slice"), facts.get("unit"), facts.get("user_unit")) == (
        slice,
        unit,
        user_unit,
    )


@pytest.mark.parametrize(
    "path",
    [
        "/system.slice/docker.service/billing.service",  # made by docker, in its own subtree
        "/system.slice/docker.service/system.slice/billing.service",
        "/user.slice/user-7.slice/user@7.service/app.slice/billing.service",
        "/mine/billing.service",
        "/billing.service.d",
    ],
)
def test_nobody_makes_a_unit_where_systemd_does_not(path: str) -> None:
    assert facts_in(path).get("unit") != "billing.service"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "4:memory:/system.slice/billing.service\n",
        "0::/../billing.service\n",
        "0::/system.slice/../billing.service\n",
        "0::/system.slice/billing.service (deleted)\n",
        "0::billing.service\n",
    ],
)
def test_a_path_that_names_nothing_here_is_no_fact(text: str) -> None:
    assert facts_in(path_in(text)) == {}


def test_the_path_in_the_unified_hierarchy_counts() -> None:
    assert path_in("5:cpu:/a\n1:name=systemd:/b\n0::/system.slice/c.service\n") == (
        "/system.slice/c.service"
    )


@pytest.mark.parametrize("end", ["\v", "\r", "\x85", "\u2028"])
def test_a_name_in_another_hierarchy_is_no_line_of_its_own(end: str) -> None:
    forged = f"1:name=systemd:/mine{end}0::/system.slice/billing.service"
    assert path_in(f"{forged}\n0::/user.slice\n") == "/user.slice"
