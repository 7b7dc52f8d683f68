"""`AsterConfig`: every setting of Aster RPC, from defaults, a TOML file, the environment and inline arguments."""

from aster.config.aster_config import AsterConfig, InlineSettings
from aster.config.table import TABLE
from aster.config.unsupported import SettingNotSupported

__all__ = ["TABLE", "AsterConfig", "InlineSettings", "SettingNotSupported"]
