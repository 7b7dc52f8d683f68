"""A language server for policies: the Language Server Protocol 3.17 over standard input and output (extra `lsp`)."""
