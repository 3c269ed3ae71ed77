"""The name of a deployment, which becomes a level of every topic."""

import pytest

from leasehold.errors import ConfigError
from leasehold.settings import load_settings


def test_a_deployment_may_be_named():
    assert load_settings({"deployment": "prod-west"}, {}).deployment == "prod-west"
    assert load_settings({}, {}).deployment is None


@pytest.mark.parametrize("name", ["Prod", "a/b", "+", "#", "-x", "a.b", 64 * "x"])
def test_a_name_that_is_no_plain_level_of_a_topic_is_refused(name: str):
    with pytest.raises(
        ConfigError, match=r"--deployment: deployment: found .*; allowed is 1 to 63"
    ):
        load_settings({"deployment": name}, {})
