"""Every call in a hash-chained audit log, durable before its caller has the answer. A server's.

A record says who called what and how it ended; requests and replies are not in it. A call whose record can't be written
fails with UNAVAILABLE: what is not on record has not happened, as far as its caller can tell.
"""

import time
from typing import Any

from aster.foundation.audit import AuditLog
from aster.foundation.errors import StorageError
from aster.foundation.logs import get_logger
from aster.rpc.context import CallContext
from aster.rpc.interception import Proceed, status_of, until_end
from aster.rpc.status import UnavailableError

CHAIN = "rpc"

logger = get_logger("aster.rpc")


class Audit:
    """Record calls in ``log``, in the chain ``chain``. A stream is recorded when it ends."""

    def __init__(self, log: AuditLog, *, chain: str = CHAIN) -> None:
        self._log = log
        self._chain = chain

    async def __call__(self, call: CallContext, request: Any, proceed: Proceed) -> Any:
        began = time.perf_counter()

        async def ended(error: BaseException | None) -> None:
            event = {
                "event": "call",
                "service": call.service,
                "method": call.method,
                "peer": call.peer,
                "callId": call.call_id,
                "status": status_of(error, call).name,
                "milliseconds": round((time.perf_counter() - began) * 1000, 3),
            }
            try:
                await self._log.record(self._chain, event)
            except StorageError as failure:
                logger.error("a call could not be recorded", exc_info=failure, service=call.service, method=call.method)
                raise UnavailableError("the call could not be recorded") from failure

        return await until_end(call, request, proceed, ended)
