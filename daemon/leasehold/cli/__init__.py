"""The command `leasehold`."""


def main() -> None:
    """Run the command line."""
    from leasehold.cli.main import cli

    cli(prog_name="leasehold")
