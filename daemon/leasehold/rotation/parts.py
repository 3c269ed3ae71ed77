"""All that rotates, made together and in one hand."""

from collections.abc import Sequence

from leasehold.access import Access
from leasehold.background import Background
from leasehold.bundle import Bundle
from leasehold.clock import Clock
from leasehold.engines.registry import Engines
from leasehold.kept import KeptPasswords
from leasehold.leases.freeze import Freeze
from leasehold.leases.store import LeaseStore
from leasehold.rotation.causes import Causes
from leasehold.rotation.giving import StaticGiving
from leasehold.rotation.root import Alone, RootRotation
from leasehold.rotation.schedule import RotationSchedule
from leasehold.rotation.static import StaticRotation
from leasehold.rotation.static_book import StaticBook
from leasehold.rotation.static_times import StaticTimes
from leasehold.rotation.turning import Turning


class Rotations:
    """`root`, `static` and `giving` have the verbs, `schedule` the loop."""

    def __init__(
        self,
        access: Access,
        kept: KeptPasswords,
        engines: Engines,
        store: LeaseStore,
        clock: Clock,
        freeze: Freeze,
        background: Background,
        alone: Alone,
    ) -> None:
        self._access = access
        turning = Turning(kept, clock, self.wake)
        self.root = RootRotation(
            access=access,
            kept=kept,
            engines=engines,
            turning=turning,
            clock=clock,
            background=background,
            alone=alone,
        )
        book = StaticBook(store, clock, self._bundle)
        times = StaticTimes(kept, clock)
        self.giving = StaticGiving(
            access=access,
            kept=kept,
            store=store,
            freeze=freeze,
            book=book,
            times=times,
            clock=clock,
            wake=self.wake,
        )
        self.static = StaticRotation(
            access=access,
            kept=kept,
            engines=engines,
            book=book,
            times=times,
            causes=Causes(store, kept, self._bundle),
            turning=turning,
            clock=clock,
            background=background,
        )
        self.schedule = RotationSchedule([self.root, self.static], clock)

    def wake(self) -> None:
        """Something may be due earlier."""
        self.schedule.wake()

    def _bundle(self) -> Bundle:
        return self._access.generation().bundle

    def troubles(self) -> Sequence[str]:
        """What fails, one line each."""
        return (*self.root.troubles(), *self.static.troubles())
