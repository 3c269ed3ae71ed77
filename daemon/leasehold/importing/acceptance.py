"""What the loader of policies says of a part of a policy, before it is taken. Pure.

What it refuses is left out, in its own words. So what is written is valid, and nothing stands in
it that leasehold would read otherwise.
"""

from collections.abc import Mapping

from leasehold.bundle import EngineType
from leasehold.importing.yaml_text import Section, file_text
from leasehold.policy.load import load
from leasehold.policy.users import unix_match

Types = Mapping[str, EngineType]


def faults_of(sections: Mapping[str, Section], types: Types) -> tuple[list[str], list[str]]:
    """Problems, and warnings of roles, of a policy that has only these sections."""
    text = file_text([], {name: section for name, section in sections.items() if section})
    loaded = load([("import", text.encode())], types, unix_match, {})
    problems = [f"{problem.path}: {problem.message}" for problem in loaded.problems]
    return problems, [
        warning.message for warning in loaded.warnings if warning.path.startswith("roles.")
    ]
