"""Instance identity: a cloud's own word that a peer runs where its credential's ``aster.iid_*`` attributes say.

One table of providers, one file each. A token must be bound to the node's key, so that no one else can show it again.
"""

from aster.trust.instance.facts import Proven, Wanted
from aster.trust.instance.settings import InstanceSettings
from aster.trust.instance.verifiers import InstanceVerifiers, ProviderVerifier, register_provider

__all__ = ["InstanceSettings", "InstanceVerifiers", "Proven", "ProviderVerifier", "Wanted", "register_provider"]
