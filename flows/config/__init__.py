"""The settings of a run as pure data: frozen pydantic models, the YAML loader, and the difference of two configs.

Nothing here opens a run, hashes a file or asks a server; `flows.stage_settings` resolves a config into the settings of
every stage, and `flows.preflight` checks it against the machine.
"""
