"""The policy service as one ASGI app: its parts behind the layers, a nonce durable before each answer leaves."""

import asyncio
import functools
import os
import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from aster.foundation.errors import AsterError
from aster.foundation.http.cors import CorsPolicy
from aster.foundation.http.metrics import RequestMetrics
from aster.foundation.http.rates import RateLimited
from aster.foundation.http.reply import Reply
from aster.foundation.http.request import Receive, Request, Scope, Send
from aster.foundation.http.service import HttpService
from aster.foundation.logs import get_logger
from aster.foundation.sql import Database
from aster.policy.service.commit import claim_of
from aster.policy.service.envelope import public_face, render_error
from aster.policy.service.errors import NonceReplayed
from aster.policy.service.forwarded import with_forwarded_address
from aster.policy.service.origins import ANSWER_HEADERS, REQUEST_HEADERS
from aster.policy.service.parts import Parts
from aster.policy.service.queries import unknown_parameters
from aster.policy.service.rate_layer import told_rate
from aster.policy.service.replicas import Replicas
from aster.policy.service.settings import PolicySettings

logger = get_logger("aster.policy.service")


def wall_clock_ms() -> int:
    return time.time_ns() // 1_000_000


class PolicyHttpService(HttpService):
    """An `HttpService` whose requests' nonces are durable before their answers leave, whatever the answer is.

    ``database``, ``evaluations`` and ``rates`` are what other entrances (P2P) share with it; ``measures`` is for
    whoever shows metrics.
    """

    def __init__(self, parts: Parts, *, metrics: RequestMetrics | None) -> None:
        super().__init__(
            "policy",
            parts.routes,
            render_error=render_error,
            layers=parts.layers,
            limits=parts.limits,
            metrics=metrics,
            cors=_cors(parts.settings.cors_origins),
            log_requests=parts.settings.log_requests,
        )
        self._parts = parts
        self.database = parts.database
        self.evaluations = parts.evaluations
        self.rates = parts.rates
        self.measures = parts.measures

    async def close(self) -> None:
        """Let what goes on beside requests come to its end: when no more arrive, before the database closes."""
        await self._parts.retention.close()
        await asyncio.to_thread(self._parts.engine.close)

    def log_fields(self, request: Request) -> Mapping[str, Any]:
        """The tenant as claimed: of a request answered with 400 or 401 nothing was proved."""
        return {"tenant": request.state.get("tenant")}

    def _refuse(self, request: Request, error: AsterError) -> Reply:
        self.measures.refusals[public_face(error)[2]] += 1
        if self._parts.settings.events_enabled and isinstance(error, NonceReplayed | RateLimited):
            logger.info(
                "request refused",
                reason=error.code,
                tenant=request.state.get("tenant"),
                request_id=request.request_id,
                client=request.client,
            )
        return super()._refuse(request, error)

    async def _serve_other(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            await super()._serve_other(scope, receive, send)
            return
        request = self._parts.sockets.request_of(scope)
        refuse = functools.partial(self._refuse, request)
        await self._parts.sockets.serve(request, receive, send, admit=self._admit_socket, refuse=refuse)

    async def _admit_socket(self, request: Request) -> None:
        await self.rates.announce(request)
        request.check_headers()
        try:
            await self.admit(request)
        finally:
            await self._parts.commits.settle(request)

    async def _answer(self, request: Request) -> Reply:
        if self.rates.enabled:
            await self.rates.announce(request)
        try:
            reply = await super()._answer(request)
        finally:
            if claim_of(request) is not None:
                await self._parts.commits.settle(request)
        told = told_rate(request) if self.rates.enabled else ()
        if request.scope["query_string"] and (unknown := unknown_parameters(request)):
            told = [*told, (b"x-aster-warnings", "; ".join(unknown).encode("ascii"))]
        return msgspec.structs.replace(reply, headers=[*reply.headers, *told]) if told else reply


class ProxiedPolicyService(PolicyHttpService):
    """The service behind a proxy that tells where its callers come from."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await super().__call__(with_forwarded_address(scope), receive, send)


def create_policy_service(
    database: Database,
    settings: PolicySettings | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    metrics: RequestMetrics | None = None,
    now_ms: Callable[[], int] = wall_clock_ms,
    replicas: Replicas | None = None,
    alone: bool = False,
) -> PolicyHttpService:
    """Everything below ``/api``, on one database (whose tables it migrates), which may be shared with other processes.

    ``alone`` promises that no other process writes the database; active versions are then not looked up each time.
    With ``replicas`` they also share rate limits, and refuse each other's nonces before any work is done.

    ``environ`` is where ``ASTER_HMAC_SECRET_{TENANT}`` is looked up at each request (default: this process's).
    Raises `ConfigError` for settings that leave out what a service must not be without.
    """
    parts = Parts(
        database,
        settings or PolicySettings(),
        os.environ if environ is None else environ,
        now_ms=now_ms,
        replicas=replicas,
        alone=alone,
    )
    served = ProxiedPolicyService if parts.settings.trust_forwarded else PolicyHttpService
    return served(parts, metrics=metrics)


def _cors(origins: str) -> CorsPolicy | None:
    """None without origins: then no page of another origin is let in; raises `ConfigError` for what is no origin."""
    if not origins.strip():
        return None
    return CorsPolicy.of_text(origins, request_headers=REQUEST_HEADERS, answer_headers=ANSWER_HEADERS)
