"""`aster policy explain`, `schema` and `ir`: why a policy decides, what it takes and yields, and its tree as JSON."""

from typing import Annotated

import typer

from aster.cli.policy_files import (
    AUTO,
    ContextOption,
    FileArgument,
    FileLocaleOption,
    ModulesOption,
    RuleOption,
    arguments,
    program_of,
    warn_of_unknown,
)
from aster.cli.up import JsonOption


def explain(
    file: FileArgument,
    rule: RuleOption = None,
    context: ContextOption = "{}",
    locale: FileLocaleOption = AUTO,
    modules: ModulesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Evaluate a rule and tell, in sentences of the policy's own language, why it decides as it does."""
    from aster.cli.terminal import print_json
    from aster.policy.language import explain

    values = arguments(context, file)
    program = program_of(file, locale, modules)
    outcome = program.evaluate(rule, context=values, trace=True)
    warn_of_unknown(program, rule, values)
    sentences = explain(outcome.trace, program.locale)
    if as_json:
        print_json({"value": outcome.trace["finalResult"], "sentences": sentences, "trace": outcome.trace})
        return
    for sentence in sentences:
        place = f"  [{sentence.line}]" if sentence.line is not None else ""
        typer.echo(f"{'  ' * sentence.depth}{sentence.text}{place}")


def schema(
    file: FileArgument,
    rule: RuleOption = None,
    locale: FileLocaleOption = AUTO,
    modules: ModulesOption = None,
    output: Annotated[bool, typer.Option("--output", help="What it yields instead of what it takes.")] = False,
    sample: Annotated[
        int, typer.Option("--sample", help="Print so many contexts that fit and evaluate instead.", min=0, max=100)
    ] = 0,
) -> None:
    """Print the JSON Schema (2020-12) of what a rule takes."""
    from aster.cli.terminal import print_json

    program = program_of(file, locale, modules)
    if sample:
        for found in program.samples(rule, sample):
            print_json(found)
    else:
        print_json(program.output_schema(rule) if output else program.input_schema(rule))


def core_ir(file: FileArgument, locale: FileLocaleOption = AUTO, modules: ModulesOption = None) -> None:
    """Print a policy as Core IR: its tree as JSON, for other tools. The same whatever language it is written in."""
    from aster.cli.terminal import print_json

    print_json(program_of(file, locale, modules).core_ir())
