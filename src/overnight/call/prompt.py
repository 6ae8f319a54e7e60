"""From a narrative to what is sent."""

from overnight.config.models import PLACEHOLDER
from overnight.domain.attempt import Job
from overnight.domain.outcome import Request


def render(job: Job, system_prompt: str, user_template: str, seed: int | None) -> Request:
    """The request for a job; the narrative is put in literally, whatever stands in it."""
    text = job.narrative.text
    return Request(
        system=system_prompt,
        user=user_template.replace(PLACEHOLDER, text),
        text=text,
        seed=None if seed is None else job.seed(seed),
    )
