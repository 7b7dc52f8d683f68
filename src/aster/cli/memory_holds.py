"""`astrocyte holds`: legal holds on banks. A gateway asks for ASTROCYTE_ADMIN_TOKEN."""

from typing import TYPE_CHECKING, Annotated

import typer

from aster.cli.memory_opening import DEFAULT_DATA, ConfigOption, DataOption, JsonOption, Place, UrlOption

if TYPE_CHECKING:
    from astrocyte.banks import LegalHold

BankArgument = Annotated[str, typer.Argument(help="The bank.")]
HoldArgument = Annotated[str, typer.Argument(metavar="HOLD", help="The hold's name, e.g. case-7.")]

app = typer.Typer(
    help="Legal holds: while a bank has one, nothing of it goes.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command("place")
def place(
    bank: BankArgument,
    hold: HoldArgument,
    reason: Annotated[str, typer.Option("--reason", help="Why; kept with the hold and in the audit log.")],
    url: UrlOption = None,
    data: DataOption = DEFAULT_DATA,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Forbid that anything in a bank is forgotten or changed, until the hold is lifted."""
    from aster.cli.running import run_async
    from aster.cli.terminal import print_json

    async def work() -> "LegalHold":
        async with Place(url, data, config, None).opened() as memory:
            return await memory.place_hold(bank, hold, reason)

    placed = run_async(work())
    if as_json:
        print_json(placed)
    else:
        typer.echo(_line(placed))


@app.command("lift")
def lift(
    bank: BankArgument,
    hold: HoldArgument,
    url: UrlOption = None,
    data: DataOption = DEFAULT_DATA,
    config: ConfigOption = None,
) -> None:
    """Lift a hold. Exit code 1 when the bank has none of this name."""
    from aster.cli.running import run_async
    from astrocyte.errors import InvalidInput

    async def work() -> bool:
        async with Place(url, data, config, None).opened() as memory:
            return (await memory.lift_hold(bank, hold)).released

    if not run_async(work()):
        raise InvalidInput(f"bank '{bank}' has no hold '{hold}'", hint=f"astrocyte holds list {bank}")
    typer.echo("lifted")


@app.command("list")
def list_holds(
    bank: BankArgument,
    url: UrlOption = None,
    data: DataOption = DEFAULT_DATA,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell a bank's holds, oldest first: since when, name, who placed it, why."""
    from aster.cli.running import run_async
    from aster.cli.terminal import print_json

    async def work() -> "list[LegalHold]":
        async with Place(url, data, config, None).opened() as memory:
            return (await memory.legal_holds(bank)).holds

    holds = run_async(work())
    if as_json:
        print_json({"holds": holds})
        return
    for one in holds:
        typer.echo(_line(one))
    if not holds:
        typer.echo(f"bank '{bank}' is under no hold", err=True)


def _line(hold: "LegalHold") -> str:
    from aster.cli.terminal import visible

    return visible(f"{hold.set_at:%Y-%m-%d}  {hold.hold_id}  {hold.set_by}  {' '.join(hold.reason.split())}")
