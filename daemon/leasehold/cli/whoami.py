"""`leasehold whoami`: what the daemon sees of whoever asks."""

import click

from leasehold.cli.asking import Daemon, daemon_option
from leasehold.cli.output import examples, json_option, print_json, print_pairs

_LISTS = ("groups", "names", "issuers")


@click.command("whoami", epilog=examples("leasehold whoami", "leasehold whoami --json"))
@json_option
@daemon_option
def whoami(as_json: bool, daemon: Daemon) -> None:
    """Say what the daemon sees of you, and who that makes you.

    Each fact may stand in a match of the policy. It tells of yourself only: of identities that you
    nearly are, what you lack.
    """
    found = daemon().whoami()
    if as_json:
        print_json(found)
        return
    names = ", ".join(each["name"] for each in found["identities"])
    pairs = {"identity": names or "none"}
    for name, value in found.items():
        if name in _LISTS:
            pairs[name] = " ".join(str(each) for each in value)
        elif isinstance(value, str | int) and value != "":
            pairs[name] = str(value)
    pairs |= found.get("process", {})
    pairs |= {f"{name} ns": text for name, text in found.get("namespaces", {}).items()}
    print_pairs(pairs)
    for name, why in found.get("unknown", {}).items():
        click.echo(f"no {name}: {why}")
    for each in found["not"]:
        click.echo(f"not {each['name']}: {', '.join(each['lacks'])} does not agree")
