"""For tests of services: clients and servers in pairs, real credentials, faults on purpose, a clock that tests turn.

==================  ======================================================================================
`local_pair`        a client in this process: the real protocol and codec, no network; may have `Faults`
`session_pair`      a stub of a session-scoped service, in a session of its own
`remote_pair`       server and client on two QUIC endpoints of this machine, the gate open
`gated_pair`        the same with a closed gate: `GatedPair.enroll` signs real credentials
`Faults`            drop, hold, delay or cut at a chosen frame, in process or over QUIC (``faults=`` of all four)
`FaultyClient`      a client with faults, of any server
`FakeClock`         turn the time forward: deadlines, rate limits, circuits and pings follow at once; in process only
==================  ======================================================================================

All pairs are asynchronous context managers, and close what they made.
"""

from aster.testing.clock import FakeClock
from aster.testing.faults import Fault, Faults
from aster.testing.faulty_client import FaultyClient
from aster.testing.pairs import GatedPair, Pair, gated_pair, local_pair, remote_pair, session_pair

__all__ = [
    "FakeClock",
    "Fault",
    "Faults",
    "FaultyClient",
    "GatedPair",
    "Pair",
    "gated_pair",
    "local_pair",
    "remote_pair",
    "session_pair",
]
