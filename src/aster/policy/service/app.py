"""The policy service as one ASGI app: layers in the contract's order, the table of routes, the stores behind them."""

import asyncio
import functools
import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from aster.foundation.audit import AuditLog
from aster.foundation.errors import AsterError
from aster.foundation.http.cors import CorsPolicy
from aster.foundation.http.metrics import RequestMetrics
from aster.foundation.http.reply import Reply
from aster.foundation.http.request import HttpLimits, Receive, Request, Scope, Send
from aster.foundation.http.routes import Route
from aster.foundation.http.service import HttpService, Layer
from aster.foundation.sql import Database
from aster.policy.engine import Bounds, PolicyEngine
from aster.policy.service.activations import Activations
from aster.policy.service.allowed_tenants import allowed_layers
from aster.policy.service.audit_proof_routes import AuditProofRoutes
from aster.policy.service.audit_routes import AuditRoutes
from aster.policy.service.cache_routes import CacheRoutes
from aster.policy.service.caller import Role
from aster.policy.service.chain_routes import ChainRoutes
from aster.policy.service.commit import Commits, claim_of
from aster.policy.service.compiling import TenantCompiler
from aster.policy.service.deployments import Deployments
from aster.policy.service.envelope import public_face, render_error
from aster.policy.service.evaluation_routes import EvaluationRoutes
from aster.policy.service.evaluation_socket import EvaluationSocket
from aster.policy.service.evaluations import Evaluations
from aster.policy.service.forwarded import with_forwarded_address
from aster.policy.service.graphql_routes import GraphqlRoutes
from aster.policy.service.journal import Journal
from aster.policy.service.metrics import PolicyCounts, PolicyMetrics
from aster.policy.service.nonces import NonceStore
from aster.policy.service.origins import ANSWER_HEADERS, REQUEST_HEADERS, OriginLayer
from aster.policy.service.policy_routes import PolicyRoutes
from aster.policy.service.queries import unknown_parameters
from aster.policy.service.rate_layer import RateLayers, told_rate
from aster.policy.service.replay_routes import ReplayRoutes
from aster.policy.service.replicas import Replicas
from aster.policy.service.retention import Retention
from aster.policy.service.roles import NoRoles, RoleLayer
from aster.policy.service.schema_routes import SchemaRoutes
from aster.policy.service.settings import PolicySettings
from aster.policy.service.signature import SignatureLayer
from aster.policy.service.signing_keys import SigningKeys
from aster.policy.service.source_routes import SourceRoutes
from aster.policy.service.tenant import tenant_layer
from aster.policy.service.tenant_cache import TenantCache
from aster.policy.service.tenant_data import CHANGED, TenantData
from aster.policy.service.tenant_routes import TenantRoutes
from aster.policy.service.usage import UsageCounts
from aster.policy.service.usage_routes import UsageRoutes
from aster.policy.service.version_routes import VersionRoutes


def wall_clock_ms() -> int:
    return time.time_ns() // 1_000_000


class PolicyHttpService(HttpService):
    """An `HttpService` whose requests' nonces are durable before their answers leave, whatever the answer is.

    ``database``, ``evaluations`` and ``rates`` are what other entrances (P2P) share with it; ``measures`` is for
    whoever shows metrics.
    """

    def __init__(
        self,
        routes: Sequence[Route],
        *,
        layers: Sequence[Layer],
        commits: Commits,
        limits: HttpLimits,
        metrics: RequestMetrics | None,
        database: Database,
        evaluations: Evaluations,
        rates: RateLayers,
        sockets: EvaluationSocket,
        engine: PolicyEngine,
        retention: Retention,
        measures: PolicyMetrics,
        cors: CorsPolicy | None,
        log_requests: bool,
    ) -> None:
        super().__init__(
            "policy",
            routes,
            render_error=render_error,
            layers=layers,
            limits=limits,
            metrics=metrics,
            cors=cors,
            log_requests=log_requests,
        )
        self.measures = measures
        self._commits = commits
        self.database = database
        self.evaluations = evaluations
        self.rates = rates
        self._sockets = sockets
        self._engine = engine
        self._retention = retention

    async def close(self) -> None:
        """Let what goes on beside requests come to its end: when no more arrive, before the database closes."""
        await self._retention.close()
        await asyncio.to_thread(self._engine.close)

    def log_fields(self, request: Request) -> Mapping[str, Any]:
        """The tenant as claimed: of a request answered with 400 or 401 nothing was proved."""
        return {"tenant": request.state.get("tenant")}

    def _refuse(self, request: Request, error: AsterError) -> Reply:
        self.measures.refusals[public_face(error)[2]] += 1
        return super()._refuse(request, error)

    async def _serve_other(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            await super()._serve_other(scope, receive, send)
            return
        request = self._sockets.request_of(scope)
        refuse = functools.partial(self._refuse, request)
        await self._sockets.serve(request, receive, send, admit=self._admit_socket, refuse=refuse)

    async def _admit_socket(self, request: Request) -> None:
        await self.rates.announce(request)
        request.check_headers()
        try:
            await self.admit(request)
        finally:
            await self._commits.settle(request)

    async def _answer(self, request: Request) -> Reply:
        if self.rates.enabled:
            await self.rates.announce(request)
        try:
            reply = await super()._answer(request)
        finally:
            if claim_of(request) is not None:
                await self._commits.settle(request)
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
    """
    chosen = settings or PolicySettings()
    secrets = os.environ if environ is None else environ
    chosen.require_layers(secrets)
    database.migrate("policy", "aster.policy.service.migrations")
    audit = AuditLog(database, key=chosen.audit_key.encode() if chosen.audit_key else None)
    commits = Commits(database, now_ms=now_ms)
    tenants = TenantCache(database, now_ms=now_ms)
    activations = Activations(database)
    deployments = Deployments(database, alone=alone)
    database.listen(CHANGED, tenants.forget)
    database.listen(CHANGED, activations.heard)
    data = TenantData(
        database, commits, audit, tenants, activations, deployments, now_ms=now_ms, may_redact=chosen.pii_enforced
    )
    journal = Journal(database, audit)
    counts = UsageCounts(database, audit)
    retention = Retention(database, audit, counts, now_ms=now_ms)
    tenants.watch(retention.noticed)
    engine = PolicyEngine(cache_bytes=chosen.cache_bytes, bounds=Bounds(chosen.most_steps, chosen.deadline_ms / 1000))
    compiler = TenantCompiler(
        database,
        engine,
        tenants,
        most_characters=chosen.source_characters,
        with_modules=chosen.modules_enabled,
    )
    policies = PolicyCounts(chosen.metrics_policies) if chosen.metrics_policies else None
    evaluations = Evaluations(
        compiler,
        engine,
        journal,
        deployments,
        tenants,
        policies,
        audited=chosen.audit_evaluations,
        legacy_entry=chosen.legacy_entry,
    )
    keys = SigningKeys(chosen, secrets)
    rates = RateLayers(tenants, chosen, now_ms=now_ms, replicas=replicas)
    nonces = NonceStore(replicas)
    signatures = SignatureLayer(
        keys,
        nonces,
        database,
        now_ms=now_ms,
        least_version=chosen.signature_version,
        logs_refusals=chosen.events_enabled,
    )
    roles = (RoleLayer if chosen.rbac_enabled else NoRoles)(tenants, journal, records_denials=chosen.events_enabled)
    routes = [
        *EvaluationRoutes(evaluations, rates).routes,
        *ChainRoutes(evaluations, rates).routes,
        *SourceRoutes(data, compiler).routes,
        *SchemaRoutes(data, compiler).routes,
        *CacheRoutes(data, engine).routes,
        *PolicyRoutes(data, compiler, most_versions=chosen.most_versions).routes,
        *VersionRoutes(data).routes,
        *AuditProofRoutes(audit).routes,
        *AuditRoutes(audit).routes,
        *UsageRoutes(data, counts, now_ms=now_ms).routes,
        *ReplayRoutes(data, audit, engine, compiler).routes,
        *TenantRoutes(data, keys).routes,
    ]
    introspection = Role[chosen.introspection] if chosen.introspection != "off" else None
    graphql = GraphqlRoutes(
        routes, roles=roles, rates=rates, introspection=introspection, most_depth=chosen.graphql_depth
    )
    routes += graphql.routes
    limits = HttpLimits(body_bytes=chosen.body_bytes)
    sockets = EvaluationSocket(
        {route.path: route for route in routes},
        evaluations=evaluations,
        signatures=signatures,
        roles=roles,
        rates=rates,
        activations=activations,
        limits=limits,
        most_connections=chosen.socket_connections,
        messages_a_second=chosen.socket_messages,
        idle_seconds=chosen.socket_idle_ms / 1000,
    )
    served = ProxiedPolicyService if chosen.trust_forwarded else PolicyHttpService
    return served(
        routes,
        layers=[
            tenant_layer,
            *rates.before_signature,
            *([signatures] if chosen.signature_enabled else []),
            *allowed_layers(chosen.tenants),
            *rates.after_signature,
            OriginLayer(tenants),
            roles,
        ],
        commits=commits,
        limits=limits,
        metrics=metrics,
        database=database,
        evaluations=evaluations,
        rates=rates,
        sockets=sockets,
        engine=engine,
        retention=retention,
        measures=PolicyMetrics(database, engine, journal, sockets=lambda: sockets.connections.count, policies=policies),
        log_requests=chosen.log_requests,
        cors=_cors(chosen.cors_origins),
    )


def _cors(origins: str) -> CorsPolicy | None:
    """None without origins: then no page of another origin is let in; raises `ConfigError` for what is no origin."""
    if not origins.strip():
        return None
    return CorsPolicy.of_text(origins, request_headers=REQUEST_HEADERS, answer_headers=ANSWER_HEADERS)
