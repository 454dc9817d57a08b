"""The order of a rolling restart, and what is left out of it."""

from deploy.rolling import order
from deploy.table import processes


def test_workers_come_first_and_gateways_last() -> None:
    names = [process.name for process in order(processes({"SWITCHYARD_GATEWAYS": "2"}))]

    assert names[0].startswith("worker-")
    assert names[-2:] == ["gateway-0", "gateway-1"]
    assert names.index("worker-llm") < names.index("dispatcher") < names.index("gateway-0")


def test_a_local_language_model_is_left_alone() -> None:
    names = {process.name for process in order(processes({"SWITCHYARD_LLM_MODEL_DIR": "/models/tiny"}))}

    assert "llm-server" not in names
    assert {"gateway", "dispatcher", "beat", "flower"} < names
