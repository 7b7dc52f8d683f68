"""Settings of section ``[instance_identity]``: whose certificates and keys prove where a peer runs.

They stand in a table of their own beside the contract's, and load with it from the same file and environment.
"""

from aster.config.kinds import KEYS_ADDRESS
from aster.foundation.kinds import PATH, TEXT
from aster.foundation.settings import Setting, SettingsTable

SECTION = "instance_identity"

INSTANCE_TABLE = SettingsTable(
    [
        Setting(
            "iid_aws_certificates",
            PATH,
            None,
            "AWS's RSA-2048 certificates of your regions, for aster.iid_region: a PEM bundle, or a folder of *.pem.",
            section=SECTION,
            key="aws_certificates",
            env="ASTER_IID_AWS_CERTIFICATES",
        ),
        Setting(
            "iid_gcp_jwks_url",
            KEYS_ADDRESS,
            "https://www.googleapis.com/oauth2/v3/certs",
            "Where Google publishes the keys of its identity tokens.",
            section=SECTION,
            key="gcp_jwks_url",
            env="ASTER_IID_GCP_JWKS_URL",
        ),
        Setting(
            "iid_azure_certificates",
            PATH,
            None,
            "Roots and intermediates of Azure's attested documents: a PEM bundle, or a folder of *.pem.",
            section=SECTION,
            key="azure_certificates",
            env="ASTER_IID_AZURE_CERTIFICATES",
        ),
        Setting(
            "iid_azure_tenant",
            TEXT,
            None,
            "The tenant whose managed identities' tokens are believed.",
            section=SECTION,
            key="azure_tenant",
            env="ASTER_IID_AZURE_TENANT",
        ),
        Setting(
            "iid_azure_jwks_url",
            KEYS_ADDRESS,
            None,
            "Where the tenant's keys are published, if not at login.microsoftonline.com.",
            section=SECTION,
            key="azure_jwks_url",
            env="ASTER_IID_AZURE_JWKS_URL",
            unset="<default>",
        ),
    ]
)
