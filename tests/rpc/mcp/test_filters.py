import pytest

from aster.rpc.mcp.filters import ToolFilter, Verdict


@pytest.mark.parametrize(
    ("allow", "deny", "confirm", "verdict"),
    [
        ((), (), (), Verdict.OPEN),
        (("Shop.*",), (), (), Verdict.OPEN),
        (("Cart.*",), (), (), Verdict.HIDDEN),
        ((), ("*.buy",), (), Verdict.HIDDEN),
        (("Shop.buy",), ("Shop.buy",), ("Shop.buy",), Verdict.HIDDEN),
        ((), (), ("Shop.b*",), Verdict.CONFIRMED),
        ((), (), ("shop.*",), Verdict.OPEN),
    ],
)
def test_deny_wins_then_allow_then_confirm(
    allow: tuple[str, ...], deny: tuple[str, ...], confirm: tuple[str, ...], verdict: Verdict
) -> None:
    assert ToolFilter(allow, deny, confirm).verdict("Shop.buy") is verdict
