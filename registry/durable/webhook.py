"""Deliveries as the Standard Webhooks specification has them.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import aiohttp
import standardwebhooks

Verdict = Literal[
    "delivered", "failed", "again", "off"
]  # what came of an attempt; `off` where there is no webhook

TRY_AGAIN = (
    408,
    409,
    425,
    429,
)  # client errors that pass; after any other one nothing is tried again


@dataclass(frozen=True)
class Webhook:
    """Where deliveries go."""

    url: str = field(repr=False)
    secret: str = field(repr=False)  # `whsec_` and the key in base64
    timeout: int  # seconds for an attempt as a whole, however slowly the receiver answers

    async def post(self, id: str, body: str, now: datetime) -> tuple[Verdict, str]:
        """Deliver a JSON body under an id by which the receiver tells repeats; returns what came of
        it, and why.

        Redirects and the environment's proxies are not followed; of the answer the status is read.
        Raises nothing.
        """
        headers = {
            "Content-Type": "application/json",
            "webhook-id": id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": standardwebhooks.Webhook(self.secret).sign(id, now, body),
        }
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=self.timeout)) as session,
                session.post(
                    self.url, data=body.encode(), headers=headers, allow_redirects=False
                ) as answer,
            ):
                return verdict(answer.status), str(answer.status)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            return "again", type(error).__name__  # without its message, which names the URL


def verdict(status: int) -> Verdict:
    """What a status means for a delivery."""
    if 200 <= status < 300:
        return "delivered"
    return "failed" if 400 <= status < 500 and status not in TRY_AGAIN else "again"
