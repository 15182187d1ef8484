"""One attempt at a delivery, as the Standard Webhooks specification has it.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import aiohttp
import standardwebhooks

from registry.durable.webhook.bulkhead import bulkhead
from registry.durable.webhook.circuit_breaker import circuit_breaker

AttemptResult = Literal["delivered", "failed", "retry", "stopped"]
"""The result is "stopped" where no attempt was made."""

RETRIED_STATUSES = (408, 409, 425, 429)
"""Client errors that pass. After any other one nothing is tried again."""


@dataclass(frozen=True)
class Webhook:
    """Where deliveries go."""

    url: str = field(repr=False)
    secret: str = field(repr=False)
    """`whsec_` and the key in base64."""
    timeout: int
    """Seconds for a whole attempt, however slowly the receiver answers; see `bulkhead`."""

    async def post(self, id: str, body: str, now: datetime) -> tuple[AttemptResult, str]:
        """Post a JSON body under an id, by which the receiver knows repeats.

        Returns the result and the reason for it: a status, or the class of an error, whose message
        would name the URL. Redirects are not followed, and the environment's proxies not used.
        """
        if not circuit_breaker.allows_attempt():
            return "stopped", "circuit open"

        try:
            with bulkhead.attempt(self.timeout) as seconds:
                status = await self._send(id, body, now, seconds)
        except TimeoutError as error:
            circuit_breaker.record_timeout(id)
            return "retry", type(error).__name__
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return "retry", type(error).__name__

        circuit_breaker.record_answer()
        return result_of(status), str(status)

    async def _send(self, id: str, body: str, now: datetime, seconds: float) -> int:
        """Post the body; returns the status. Raises what aiohttp raises."""
        headers = {
            "Content-Type": "application/json",
            "webhook-id": id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": standardwebhooks.Webhook(self.secret).sign(id, now, body),
        }
        timeout = aiohttp.ClientTimeout(total=seconds)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(
                self.url, data=body.encode(), headers=headers, allow_redirects=False
            ) as answer,
        ):
            return answer.status


def result_of(status: int) -> AttemptResult:
    """What a status means for a delivery."""
    if 200 <= status < 300:
        return "delivered"

    is_final = 400 <= status < 500 and status not in RETRIED_STATUSES
    return "failed" if is_final else "retry"
