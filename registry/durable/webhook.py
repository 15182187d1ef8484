"""One attempt at a delivery, as the Standard Webhooks specification has it.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import aiohttp
import standardwebhooks

AttemptResult = Literal["delivered", "failed", "retry", "off"]
"""The result is "off" where there is no webhook."""

RETRIED_STATUSES = (408, 409, 425, 429)
"""Client errors that pass. After any other one nothing is tried again."""


@dataclass(frozen=True)
class Webhook:
    """Where deliveries go."""

    url: str = field(repr=False)
    secret: str = field(repr=False)
    """`whsec_` and the key in base64."""
    timeout: int
    """Seconds for a whole attempt, however slowly the receiver answers."""

    async def post(self, id: str, body: str, now: datetime) -> tuple[AttemptResult, str]:
        """Post a JSON body under an id, by which the receiver knows repeats.

        Returns the result and the reason for it: a status, or the class of an error, whose message
        would name the URL. Redirects are not followed, and the environment's proxies not used.
        """
        headers = {
            "Content-Type": "application/json",
            "webhook-id": id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": standardwebhooks.Webhook(self.secret).sign(id, now, body),
        }
        timeout = aiohttp.ClientTimeout(total=self.timeout)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.post(
                    self.url, data=body.encode(), headers=headers, allow_redirects=False
                ) as answer,
            ):
                return result_of(answer.status), str(answer.status)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            return "retry", type(error).__name__


def result_of(status: int) -> AttemptResult:
    """What a status means for a delivery."""
    if 200 <= status < 300:
        return "delivered"

    is_final = 400 <= status < 500 and status not in RETRIED_STATUSES
    return "failed" if is_final else "retry"
