"""The HTTP interface on a Unix socket: bytes in, verbs called, replies out.

The C parser of aiohttp refuses the method LIST, which hvac and node-vault send; its pure-Python
parser takes it and is as fast here. Which of them is used is decided by this variable when aiohttp
is first imported, so it stands before every import of aiohttp.
"""

import os

os.environ["AIOHTTP_NO_EXTENSIONS"] = "1"
