import random

from deploy.process import Phase
from deploy.supervisor import BACKOFF_CEILING_S, BACKOFF_FLOOR_S, next_pause_s
from deploy.table import PHASES, processes
from orchestrator.queues import PROCESSES


def test_pauses_grow_within_their_bounds_and_differ() -> None:
    rng = random.Random(7)
    pauses = [0.0]

    for _ in range(50):
        pauses.append(next_pause_s(pauses[-1], rng))

    assert min(pauses[1:]) >= BACKOFF_FLOOR_S
    assert max(pauses) <= BACKOFF_CEILING_S
    assert max(pauses) > 5
    assert len(set(pauses)) > 20


def test_the_first_pause_is_short() -> None:
    pauses = [next_pause_s(0.0, random.Random(seed)) for seed in range(50)]

    assert max(pauses) <= 3 * BACKOFF_FLOOR_S


def test_every_process_of_the_table_is_supervised() -> None:
    names = {process.name for process in processes({})}

    assert names == {entry.name for entry in PROCESSES if not entry.only_if}


def test_each_replica_of_the_gateway_is_a_process_of_its_own() -> None:
    table = processes({"SWITCHYARD_GATEWAYS": "2"})

    gateways = [process for process in table if process.name.startswith("gateway")]
    assert [process.name for process in gateways] == ["gateway-0", "gateway-1"]
    assert len({process.command for process in gateways}) == 2


def test_the_model_server_runs_only_where_a_model_is_given() -> None:
    names = {process.name for process in processes({"SWITCHYARD_LLM_MODEL_DIR": "/models/tiny"})}

    assert "llm-server" in names


def test_requests_stop_first_and_what_workers_need_stops_after_them() -> None:
    assert PHASES["gateway"] < PHASES["dispatcher"] < PHASES["worker"] < PHASES["llm-server"] < Phase.SERVERS


def test_no_process_is_given_a_secret_by_its_arguments() -> None:
    arguments = " ".join(part for process in processes({}) for part in process.command)

    assert "password" not in arguments
    assert "://" not in arguments
