"""`aster policy lsp`: the language server."""


def lsp() -> None:
    """Serve editors: the Language Server Protocol over standard input and output, until the editor ends it.

    Findings and their fixes, completion, hover, definitions, references, outline, rename, formatting. Modules that a
    policy uses are found beside it and in the workspace's folders, as they are in the editor. The locale of a file is
    that of a comment `# locale: zh-CN` near its top, of its name (`loan.zh-CN.aster`), or the initialization option
    `locale`.

    Needs the extra `lsp`.
    """
    from aster.policy.lsp.server import serve

    serve()
