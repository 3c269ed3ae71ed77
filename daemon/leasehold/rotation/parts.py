"""All that rotates, made together and in one hand."""

from collections.abc import Sequence

from leasehold.access import Access
from leasehold.background import Background
from leasehold.clock import Clock
from leasehold.engines.registry import Engines
from leasehold.kept import KeptPasswords
from leasehold.rotation.root import Alone, RootRotation
from leasehold.rotation.schedule import RotationSchedule
from leasehold.rotation.turning import Turning


class Rotations:
    """`root` has the verbs, `schedule` the loop."""

    def __init__(
        self,
        access: Access,
        kept: KeptPasswords,
        engines: Engines,
        clock: Clock,
        background: Background,
        alone: Alone,
    ) -> None:
        turning = Turning(kept, clock, lambda: self.schedule.wake())
        self.root = RootRotation(
            access=access,
            kept=kept,
            engines=engines,
            turning=turning,
            clock=clock,
            background=background,
            alone=alone,
        )
        self.schedule = RotationSchedule([self.root], clock)

    def troubles(self) -> Sequence[str]:
        """What fails, one line each."""
        return self.root.troubles()
