"""What an operator says about the clouds: whose certificates and keys to trust."""

from dataclasses import dataclass

GCP_JWKS_URL = "https://www.googleapis.com/oauth2/v3/certs"


@dataclass(frozen=True, slots=True)
class InstanceSettings:
    """The settings of section ``[instance_identity]``; see the reference of settings for each."""

    aws_certificates: str | None = None
    gcp_jwks_url: str = GCP_JWKS_URL
    azure_certificates: str | None = None
    azure_tenant: str | None = None
    azure_jwks_url: str | None = None

    @property
    def configured(self) -> tuple[str, ...]:
        """The providers that something is set for: what is wrong with it should stop the start."""
        asked = {
            "aws": self.aws_certificates is not None,
            "gcp": self.gcp_jwks_url != GCP_JWKS_URL,
            "azure": any((self.azure_certificates, self.azure_tenant, self.azure_jwks_url)),
        }
        return tuple(provider for provider, is_set in asked.items() if is_set)
