"""The live app: `live` is its command line, `app` the whole as one object; a folder for each side of it."""
