"""What an engine and a model can do, found out with a few small real calls before a batch is paid for."""

from collections.abc import Callable

from ocr.engines.base import EngineConfig
from ocr.probe.findings import OnCall, Report

PATIENCE = 120.0  # seconds that the first call may take, unless the engine waits longer anyway


def run(
    config: EngineConfig,
    *,
    patience: float = PATIENCE,
    calls: bool = True,
    is_stopped: Callable[[], bool] = lambda: False,
    on_call: OnCall = lambda usage, error: None,
) -> Report:
    """Takes minutes; never raises but for Stopped: what goes wrong is a finding.

    `patience`: seconds for the first call alone; a server in the house may have to load its model. Without `calls`
    an endpoint is asked for its list of models alone, which costs nothing.
    """
    if config.kind == "local":
        # Imported here: who only calls endpoints need not carry numpy and the models.
        from ocr.probe import inside

        return inside.run(config)
    from ocr.probe import endpoint

    return endpoint.run(config, patience=patience, calls=calls, is_stopped=is_stopped, on_call=on_call)
