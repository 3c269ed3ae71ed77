"""Print the proof that `leasehold login --method aws` wants: who one is at AWS, signed.

    python proof.py leasehold.example.org | leasehold login --method aws

The argument is the `server_id` of the login method. Keys are found as all of AWS's tools find them:
the environment, files, the role of the machine or the container. They are used here and sent
nowhere. The proof holds for a few minutes, for that daemon only.

It has the fields of Vault's AWS auth, so it can be posted to auth/aws/login as well.
"""

import base64
import json
import sys

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.session import get_session

BODY = "Action=GetCallerIdentity&Version=2011-06-15"


def proof(server_id: str) -> dict[str, str]:
    """The signed request, as the fields of a login."""
    session = get_session()
    credentials = session.get_credentials()
    if credentials is None:
        raise SystemExit("no credentials of AWS were found")
    region = session.get_config_variable("region")
    host = f"sts.{region}.amazonaws.com" if region else "sts.amazonaws.com"
    headers = {
        "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
        "Host": host,
        "X-Vault-AWS-IAM-Server-ID": server_id,
    }
    request = AWSRequest("POST", f"https://{host}/", headers, BODY.encode())
    SigV4Auth(credentials.get_frozen_credentials(), "sts", region or "us-east-1").add_auth(request)
    return {
        "iam_http_request_method": "POST",
        "iam_request_url": encoded(request.url),
        "iam_request_body": encoded(BODY),
        "iam_request_headers": encoded(json.dumps(dict(request.headers))),
    }


def encoded(text: str) -> str:
    """Base64, which the fields are in."""
    return base64.b64encode(text.encode()).decode()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: proof.py SERVER-ID")
    json.dump(proof(sys.argv[1]), sys.stdout)
