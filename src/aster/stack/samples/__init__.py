"""What `aster demo` shows when it is given nothing else: a conversation, its questions, a policy."""
