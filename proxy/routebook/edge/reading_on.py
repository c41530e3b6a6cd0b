"""Reading on, on either side of the gateway, where reading was halted, and only there.

aiohttp has a connection read on with every chunk of a body that is taken from it, and the connection then asks its parser
for what that holds back: a third of all that happens to a stream that came at once, and nothing comes of it unless
reading had been halted before.
"""

from __future__ import annotations

from aiohttp.base_protocol import BaseProtocol


class ReadingOn(BaseProtocol):
    """A connection that has nothing to do when it is told to read on while it reads."""

    __slots__ = ()

    def resume_reading(self, resume_parser: bool = True) -> None:
        """Read on, where reading was halted."""
        if self._reading_paused:
            super().resume_reading(resume_parser)
