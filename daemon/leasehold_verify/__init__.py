"""leasehold-verify: tells from outside when leasehold is dead, stuck, or says what is not so.

It imports nothing of leasehold, so that a defect there cannot blind it too. It changes nothing.
"""

from leasehold_verify.command import main as main
