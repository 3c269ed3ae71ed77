"""Options of commands that give a request fields of the policy's own, or ask about an instant."""

from collections.abc import Mapping

import click

from leasehold.conditions import REASON
from leasehold.errors import Invalid
from leasehold.policy.conditions import instant


def pairs(_: click.Context, __: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    """What NAME=TEXT says, given as often as needed."""
    found = [text.partition("=") for text in given]
    for name, equals, _text in found:
        if not (name and equals):
            raise click.BadParameter(f"found '{name[:40]}'; allowed is NAME=TEXT")
    return {name: text for name, _, text in found}


def _instant(_: click.Context, __: click.Parameter, text: str | None) -> str:
    try:
        if text is not None:
            instant(text)
    except Invalid as wrong:
        raise click.BadParameter(str(wrong)) from wrong
    return text or ""


at_option = click.option(
    "--at", metavar="INSTANT", callback=_instant, help="Not now, but at 2026-01-05T09:00+01:00."
)
reason_option = click.option(
    "--reason", metavar="TEXT", help="Why, such as the number of a ticket; the same as reason=TEXT."
)


fields_option = click.option(
    "--with",
    "fields",
    metavar="NAME=TEXT",
    multiple=True,
    callback=pairs,
    help="A field that the policy asks for; may be given more than once.",
)


def given(fields: Mapping[str, str], reason: str | None) -> dict[str, str]:
    """The fields, the reason among them."""
    return {**fields, **({} if reason is None else {REASON: reason})}
