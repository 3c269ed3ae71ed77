"""Put a plan under a GitLab merge request, in one comment that is brought up to date.

    python ci/comment.py plan.md

Needs LEASEHOLD_COMMENT_TOKEN: a project access token with the role Reporter and the scope api, kept
as a masked variable. Without it, as in a merge request from a fork, the plan is printed instead.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

MARK = "<!-- leasehold plan -->"
PAGE = 100
TIMEOUT_S = 30


def main(file: Path) -> None:
    """Write the plan in `file` to the merge request that this pipeline runs for."""
    if not file.exists():
        sys.stdout.write("there is no plan: the policy is not valid\n")
        return
    text, token = f"{MARK}\n{file.read_text()}", os.environ.get("LEASEHOLD_COMMENT_TOKEN")
    if not token:
        sys.stdout.write(f"LEASEHOLD_COMMENT_TOKEN is not set, so the plan stands here:\n{text}")
        return
    project, request = os.environ["CI_PROJECT_ID"], os.environ["CI_MERGE_REQUEST_IID"]
    notes = f"{os.environ['CI_API_V4_URL']}/projects/{project}/merge_requests/{request}/notes"
    known = ours(notes, token)
    if known is None:
        ask("POST", notes, token, {"body": text})
    else:
        ask("PUT", f"{notes}/{known}", token, {"body": text})


def ours(notes: str, token: str) -> int | None:
    """The id of the comment that an earlier pipeline made."""
    page = 1
    while found := ask("GET", f"{notes}?per_page={PAGE}&page={page}", token):
        for note in found:
            if note["body"].startswith(MARK):
                return int(note["id"])
        page += 1
    return None


def ask(method: str, address: str, token: str, body: dict[str, str] | None = None) -> Any:
    """One request to GitLab, and what it answers."""
    request = Request(  # noqa: S310 (the address is GitLab's own variable)
        address,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json", "PRIVATE-TOKEN": token},
    )
    with urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310 (the same)
        return json.load(answer)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
