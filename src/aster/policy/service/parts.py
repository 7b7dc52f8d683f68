"""What the policy service is made of: stores, engine, layers in the contract's order, the table of routes."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

from aster.foundation.audit import AuditLog
from aster.foundation.http.request import HttpLimits
from aster.foundation.http.routes import Route
from aster.foundation.http.service import Layer
from aster.foundation.sql import Database
from aster.policy.engine import Bounds, PolicyEngine
from aster.policy.service.activations import Activations
from aster.policy.service.allowed_tenants import allowed_layers
from aster.policy.service.audit_proof_routes import AuditProofRoutes
from aster.policy.service.audit_routes import AuditRoutes
from aster.policy.service.cache_routes import CacheRoutes
from aster.policy.service.caller import Role
from aster.policy.service.chain_routes import ChainRoutes
from aster.policy.service.commit import Commits
from aster.policy.service.compiling import TenantCompiler
from aster.policy.service.deployments import Deployments
from aster.policy.service.evaluation_routes import EvaluationRoutes
from aster.policy.service.evaluation_socket import EvaluationSocket
from aster.policy.service.evaluations import Evaluations
from aster.policy.service.graphql_routes import GraphqlRoutes
from aster.policy.service.journal import Journal
from aster.policy.service.metrics import PolicyCounts, PolicyMetrics
from aster.policy.service.nonces import NonceStore
from aster.policy.service.origins import OriginLayer
from aster.policy.service.policy_routes import PolicyRoutes
from aster.policy.service.rate_layer import RateLayers
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


class Parts:
    """Each made once, for one service on one database; see `create_policy_service` for the arguments."""

    def __init__(
        self,
        database: Database,
        settings: PolicySettings,
        environ: Mapping[str, str],
        *,
        now_ms: Callable[[], int],
        replicas: Replicas | None,
        alone: bool,
    ) -> None:
        settings.require_layers(environ)
        database.migrate("policy", "aster.policy.service.migrations")
        self.settings = settings
        self.database = database
        self.now_ms = now_ms
        self.limits = HttpLimits(body_bytes=settings.body_bytes)
        self._make_stores(alone=alone)
        self._make_engine()
        self._make_layers(environ, replicas)

    def _make_stores(self, *, alone: bool) -> None:
        database, now_ms, settings = self.database, self.now_ms, self.settings
        self.audit = AuditLog(database, key=settings.audit_key.encode() if settings.audit_key else None)
        self.commits = Commits(database, now_ms=now_ms)
        self.tenants = TenantCache(database, now_ms=now_ms)
        self.activations = Activations(database)
        self.deployments = Deployments(database, alone=alone)
        database.listen(CHANGED, self.tenants.forget)
        database.listen(CHANGED, self.activations.heard)
        self.data = TenantData(
            database,
            self.commits,
            self.audit,
            self.tenants,
            self.activations,
            self.deployments,
            now_ms=now_ms,
            may_redact=settings.pii_enforced,
        )
        self.journal = Journal(database, self.audit)
        self.counts = UsageCounts(database, self.audit)
        self.retention = Retention(database, self.audit, self.counts, now_ms=now_ms)
        self.tenants.watch(self.retention.noticed)

    def _make_engine(self) -> None:
        settings = self.settings
        bounds = Bounds(settings.most_steps, settings.deadline_ms / 1000)
        self.engine = PolicyEngine(cache_bytes=settings.cache_bytes, bounds=bounds)
        self.compiler = TenantCompiler(
            self.database,
            self.engine,
            self.tenants,
            most_characters=settings.source_characters,
            with_modules=settings.modules_enabled,
        )
        self.counted = PolicyCounts(settings.metrics_policies) if settings.metrics_policies else None
        self.evaluations = Evaluations(
            self.compiler,
            self.engine,
            self.journal,
            self.deployments,
            self.tenants,
            self.counted,
            audited=settings.audit_evaluations,
            legacy_entry=settings.legacy_entry,
        )

    def _make_layers(self, environ: Mapping[str, str], replicas: Replicas | None) -> None:
        settings = self.settings
        self.keys = SigningKeys(settings, environ)
        self.rates = RateLayers(self.tenants, settings, now_ms=self.now_ms, replicas=replicas)
        self.signatures = SignatureLayer(
            self.keys,
            NonceStore(replicas),
            self.database,
            now_ms=self.now_ms,
            least_version=settings.signature_version,
            logs_refusals=settings.events_enabled,
        )
        layer = RoleLayer if settings.rbac_enabled else NoRoles
        self.roles = layer(self.tenants, self.journal, records_denials=settings.events_enabled)

    @property
    def layers(self) -> Sequence[Layer]:
        """What every request passes, in this order."""
        return [
            tenant_layer,
            *self.rates.before_signature,
            *([self.signatures] if self.settings.signature_enabled else []),
            *allowed_layers(self.settings.tenants),
            *self.rates.after_signature,
            OriginLayer(self.tenants),
            self.roles,
        ]

    @cached_property
    def routes(self) -> Sequence[Route]:
        """Everything that is served over HTTP; GraphQL offers the rest of it."""
        data, settings = self.data, self.settings
        offered = [
            *EvaluationRoutes(self.evaluations, self.rates).routes,
            *ChainRoutes(self.evaluations, self.rates).routes,
            *SourceRoutes(data, self.compiler).routes,
            *SchemaRoutes(data, self.compiler).routes,
            *CacheRoutes(data, self.engine).routes,
            *PolicyRoutes(data, self.compiler, most_versions=settings.most_versions).routes,
            *VersionRoutes(data).routes,
            *AuditProofRoutes(self.audit).routes,
            *AuditRoutes(self.audit).routes,
            *UsageRoutes(data, self.counts, now_ms=self.now_ms).routes,
            *ReplayRoutes(data, self.audit, self.engine, self.compiler).routes,
            *TenantRoutes(data, self.keys).routes,
        ]
        graphql = GraphqlRoutes(
            offered,
            roles=self.roles,
            rates=self.rates,
            introspection=Role[settings.introspection] if settings.introspection != "off" else None,
            most_depth=settings.graphql_depth,
        )
        return [*offered, *graphql.routes]

    @cached_property
    def sockets(self) -> EvaluationSocket:
        settings = self.settings
        return EvaluationSocket(
            {route.path: route for route in self.routes},
            evaluations=self.evaluations,
            signatures=self.signatures,
            roles=self.roles,
            rates=self.rates,
            activations=self.activations,
            limits=self.limits,
            most_connections=settings.socket_connections,
            messages_a_second=settings.socket_messages,
            idle_seconds=settings.socket_idle_ms / 1000,
        )

    @cached_property
    def measures(self) -> PolicyMetrics:
        return PolicyMetrics(
            self.database,
            self.engine,
            self.journal,
            sockets=lambda: self.sockets.connections.count,
            policies=self.counted,
        )
