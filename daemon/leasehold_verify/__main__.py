"""`python -m leasehold_verify`."""

import sys

from leasehold_verify import main

sys.exit(main())
