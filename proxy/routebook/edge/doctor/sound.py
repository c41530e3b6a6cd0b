"""What a policy's sound stands on: the transcoder that it declares, and what resamples sessions that cross."""

from __future__ import annotations

from routebook.chat.resampling import can_change_sound
from routebook.edge.doctor.finding import Finding, fail, ok, warn
from routebook.edge.faults import CallFailed
from routebook.edge.transcoding import Transcoder
from routebook.routing.policy import Policy, Transcoding
from routebook.routing.reading.in_force import SESSION
from routebook.sound.forms import PCM16
from routebook.sound.transcoding import MADE
from routebook.sound.wav import SoundError

_SILENCE = bytes(PCM16.bytes_per_second // 10)


async def sound(policy: Policy) -> list[Finding]:
    """What there is to say; nothing where the policy has no sound."""
    found = []
    if (declared := policy.settings.transcoder) is not None:
        found.append(await transcoder(declared))
    if any(SESSION in model.operations for model in policy.catalogue.models.values()):
        found.append(crossing(can_change_sound()))
    return found


async def transcoder(declared: Transcoding) -> Finding:
    """Whether it is there, and makes every format: a tenth of a second of silence is had in each."""
    tried = Transcoder(declared)
    if tried.program is None:
        says = f"`{declared.program}` is not installed: formats that somebody would have to code are refused"
        return fail("transcoder", says, "install ffmpeg, or name its whole path in `settings.transcoder`")
    unmade = []
    for wanted in MADE:
        try:
            await tried.made(_SILENCE, PCM16, wanted)
        except (SoundError, CallFailed):
            unmade.append(wanted)
    if unmade:
        says = f"`{tried.program}` does not make {', '.join(unmade)}"
        return fail("transcoder", says, "install an ffmpeg with these encoders; Debian's has them")
    return ok("transcoder", f"`{tried.program}` makes {', '.join(MADE)}")


def crossing(can_change: bool) -> Finding:
    """Whether sessions may cross from one API to the other."""
    if can_change:
        return ok("sessions", "may cross from OpenAI's API to Google's and back: their sound is resampled")
    says = "cannot cross from OpenAI's API to Google's or back: the extra `voice` is not installed"
    return warn(
        "sessions", says, "`pip install 'routebook[voice]'`, where clients of one are to speak to models of the other"
    )
