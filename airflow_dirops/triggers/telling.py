"""What a watcher has to tell now: what is ready, was not told by a relay, and was not mentioned a moment ago."""

from __future__ import annotations

from collections.abc import Mapping

FIRST_WAIT = 60.0
"""After how many seconds what no relay has told is mentioned again; each time after twice as long."""

LONGEST_WAIT = 3600.0


class Telling:
    """What one watcher knows of its partitions. No I/O."""

    def __init__(self) -> None:
        self._states: Mapping[str, str] = {}
        self._ready: dict[str, str] = {}
        self._told: dict[str, str] = {}
        self._untold: dict[str, str] = {}
        self._mentioned: dict[str, str] = {}
        self._next, self._wait = 0.0, FIRST_WAIT

    def sees(self, states: Mapping[str, str]) -> None:
        """Take what a round saw.

        :param states: of all partitions that may be ready.
        """
        self._states = states
        for known in (self._ready, self._told, self._untold, self._mentioned):
            for name in [name for name, state in known.items() if states.get(name, state) != state]:
                del known[name]

    def unknown(self) -> list[str]:
        """Of which it is not known yet whether they are ready."""
        return [
            name for name, state in self._states.items() if state not in (self._ready.get(name), self._told.get(name))
        ]

    def finds(self, name: str, *, is_ready: bool) -> None:
        """Take what a look at one has found."""
        if is_ready:
            self._ready[name] = self._states[name]

    def asked(self) -> list[str]:
        """Of which is to be asked whether relays have told them: those that are ready, or new here."""
        return [*self.ready(), *(name for name in self.unknown() if self._untold.get(name) != self._states[name])]

    def ready(self) -> list[str]:
        """Those that are ready, and not told as far as is known, in their order."""
        return sorted(name for name in self._ready if name in self._states)

    def hears(self, told: Mapping[str, str]) -> None:
        """Take what relays have told, with the state in which they did.

        :param told: of those that were asked for.
        """
        asked = self.asked()
        heard = [name for name in asked if told.get(name) == self._states[name]]
        self._untold |= {name: self._states[name] for name in asked if told.get(name) != self._states[name]}
        for name in heard:
            self._told[name] = self._states[name]
            self._ready.pop(name, None)
        if any(self._mentioned.pop(name, None) for name in heard):
            self._next = 0.0  # a relay is at work, and may have left the rest for the next one

    def due(self, now: float) -> list[str]:
        """What to mention now: all that is ready, if one of them is new, or nobody has told them for long.

        :param now: seconds of any clock that goes on evenly.
        """
        ready = self.ready()
        is_new = any(self._mentioned.get(name) != self._ready[name] for name in ready)
        if not ready or not (is_new or now >= self._next):
            return []
        self._wait = FIRST_WAIT if is_new or not self._next else min(2 * self._wait, LONGEST_WAIT)
        self._next = now + self._wait
        self._mentioned |= {name: self._ready[name] for name in ready}
        return ready
