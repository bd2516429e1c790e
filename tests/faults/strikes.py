"""When the faults of a run strike and when they are over: no two of a kind at the same time."""

import asyncio
import random
from collections.abc import Callable

from tests.faults.nemesis import Fault, kind
from tests.faults.world import World

_STEP_S = 0.05


class Strikes:
    """The faults of one run.

    Attributes:
        struck: How many did.
    """

    def __init__(self, world: World, chance: random.Random) -> None:
        """Nothing strikes yet."""
        self._world, self._chance = world, chance
        self._due: list[Fault] = []
        self._going: list[tuple[float, Fault, Callable[[], object]]] = []
        self.struck = 0

    def due(self, fault: Fault) -> None:
        """Its moment has come: it strikes as soon as none of its kind goes on."""
        self._due.append(fault)

    async def next(self, within: float) -> None:
        """End what is over; of those that are due let one strike, at any moment within so many seconds."""
        clock = asyncio.get_running_loop().time
        for over in [each for each in self._going if each[0] <= clock()]:
            self._going.remove(over)
            over[2]()
        busy = {kind(fault) for _, fault, _ in self._going}
        fault = next((each for each in self._due if kind(each) not in busy), None)
        if fault is None:
            return
        self._due.remove(fault)
        await asyncio.sleep(self._chance.uniform(0, within))
        self.struck += 1
        if (undo := fault(self._world, self._chance)) is not None:
            self._going.append((clock() + undo[0], fault, undo[1]))

    async def rest(self) -> None:
        """Let all that is left strike and end; the rest of a fault is part of it."""
        while self._due or self._going:
            await self.next(0.0)
            self._world.replace_dead()
            await asyncio.sleep(_STEP_S)
