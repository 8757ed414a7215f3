"""The live app: the command `live`, the app itself, what makes its start quick; others use `app`, `session`."""
