"""What every test may use: the private servers and the fakes."""

pytest_plugins = ["servers.postgres"]
