"""The life of a running proxy: the loop of tables, reloads, keys, starts that fail, and its end."""

import hashlib
import json
import signal
import socket
import threading
import time
from pathlib import Path

import pytest

from router.record import SEED_COLUMNS
from tests.providers import Providers
from tests.running import Running, command, running, with_keys

RUNS = f"""{",".join(SEED_COLUMNS)}
bug-1,coding_deep_review,claude-opus-4.7,3,4.1,20,1000,500,0.30,1,slow
bug-1,coding_deep_review,gpt-5.5,5,3.0,12,1000,400,0.05,0,
bug-1,coding_deep_review,gemini-3.1-pro,4,3.5,14,1000,450,0.10,0,
"""


def in_force(proxy: Running) -> str:
    return str(proxy.client.get("/v1/router/table").json()["version"])


def test_runs_become_a_table_that_routes_the_running_proxy_and_can_be_taken_back(tmp_path: Path) -> None:
    with Providers() as providers, running(tmp_path, with_keys(providers)) as proxy:
        first = in_force(proxy)
        (tmp_path / "runs.csv").write_text(RUNS)
        assert "imported 3" in command(tmp_path, "evidence", "import", "runs.csv").stdout
        built = json.loads(command(tmp_path, "table", "build", "--policy", "seed_rule", "--json").stdout)
        assert "coding_deep_review -> gpt-5.5" in built["routes"]
        diff = command(tmp_path, "table", "diff").stdout
        assert "coding_deep_review" in diff and "gpt-5.5" in diff
        failures, stop = [], threading.Event()

        def traffic() -> None:
            while not stop.is_set():
                response = proxy.chat("Fix it", model="auto:coding_deep_review", stream=True)
                if response.status_code != 200 or "[DONE]" not in response.text:
                    failures.append(response.text)

        load = threading.Thread(target=traffic)
        load.start()
        try:
            assert command(tmp_path, "table", "publish", "--why", "gpt-5.5 is cheaper").returncode == 0
            published = time.monotonic()
            proxy.until(lambda: in_force(proxy) == built["version"])
            assert time.monotonic() - published < 1
            answer = proxy.chat("Fix it", model="auto:coding_deep_review")
            assert answer.headers["x-router-model"] == "gpt-5.5"
            assert answer.headers["x-router-table"] == built["version"]
            assert command(tmp_path, "table", "rollback", "--why", "too bold").returncode == 0
            proxy.until(lambda: in_force(proxy) == first)
            published_again = proxy.client.post("/v1/router/table/publish", json={"version": built["version"]})
            assert published_again.json()["in_force"] == in_force(proxy) == built["version"]
            assert proxy.client.post("/v1/router/table/rollback", json={"why": "no"}).json()["in_force"] == first
        finally:
            stop.set()
            load.join()
        assert failures == []
        told = proxy.client.get("/v1/router/table/history").json()["history"]
        assert [entry["action"] for entry in told[:2]] == ["rollback", "publish"]
        assert told[0]["who"] == "http" and told[-2]["why"] == "gpt-5.5 is cheaper"


def test_a_class_whose_model_has_no_key_falls_to_the_best_that_has_one(tmp_path: Path) -> None:
    with Providers() as providers, running(tmp_path, with_keys(providers, "gemini")) as proxy:
        response = proxy.chat("Fix it", model="auto:coding_deep_review")
        assert response.json()["model"] == "gemini-3.1-pro"
        assert response.headers["x-router-reason"] == "no_key"
        assert "x-router-simulated" not in response.headers
        pinned = proxy.chat("Fix it", model="gpt-5.5")
        assert pinned.status_code == 400 and "no_key" in pinned.json()["error"]["message"]


def test_a_compatible_server_is_a_block_of_config(tmp_path: Path) -> None:
    with Providers() as providers:
        config = {
            "providers": {"local": {"dialect": "openai", "base_url": providers.base_url["openai"], "api_key": "any"}},
            "models": {"llama": {"provider": "local", "id": "llama-4"}},
            "aliases": {"gpt-4o": "llama", "fast": "auto"},
        }
        with running(tmp_path, config=config) as proxy:
            assert proxy.chat("Hello", model="gpt-4o").json()["model"] == "llama"
            routed = proxy.chat("Fix it", model="fast")
            assert routed.json()["model"] == "llama"  # the only model that can be reached
            assert providers.calls("openai")[-1].json["model"] == "llama-4"
            assert proxy.rows(2)[-1].cost_usd is None  # its price is not known, so neither is the cost


@pytest.mark.parametrize("how", ["signal", "http"])
def test_the_configuration_is_read_again_and_a_bad_one_changes_nothing(tmp_path: Path, how: str) -> None:
    def reload(proxy: Running) -> None:
        if how == "signal":
            proxy.process.send_signal(signal.SIGHUP)
        else:
            proxy.client.post("/v1/router/reload")

    with running(tmp_path, config={"aliases": {"fast": "auto"}}) as proxy:
        assert proxy.chat(model="fast").status_code == 200 and proxy.chat(model="quick").status_code == 404
        (tmp_path / "own.yaml").write_text("aliases: {fast: auto, quick: auto}")
        reload(proxy)
        proxy.until(lambda: proxy.chat(model="quick").status_code == 200)
        (tmp_path / "own.yaml").write_text("aliasses: {}")
        reload(proxy)
        if how == "signal":
            proxy.until(lambda: "own.yaml:1:1: unknown key 'aliasses'" in proxy.log)
        else:
            told = proxy.client.post("/v1/router/reload")
            assert told.status_code == 400 and "own.yaml:1:1" in told.json()["error"]["message"]
        assert proxy.chat(model="quick").status_code == 200


def test_an_operators_own_class_is_routed_by_its_examples(tmp_path: Path) -> None:
    example = "Review this supplier contract for liability clauses and termination rights"
    config = {"classes": {"contract_review": {"description": "contracts", "examples": [example]}}}
    with running(tmp_path, config=config) as proxy:
        response = proxy.chat("Please review this supplier contract and list liability and termination clauses")
        assert response.headers["x-router-task-class"] == "contract_review"
        assert response.headers["x-router-reason"] == "default"  # no table knows the class yet
        assert proxy.chat(model="auto:contract_review").headers["x-router-task-class"] == "contract_review"


def test_keys_are_asked_for_once_they_are_configured(tmp_path: Path) -> None:
    config = {"keys": [{"id": "app", "sha256": hashlib.sha256(b"app-key").hexdigest()}]}
    with running(tmp_path, {"ROUTER_ADMIN_KEY": "admin-key"}, config) as proxy:
        assert proxy.chat().status_code == 401 and proxy.client.get("/v1/models").status_code == 401
        assert proxy.chat(headers={"authorization": "Bearer wrong"}).json()["error"]["code"] == "invalid_api_key"
        app, admin = {"authorization": "Bearer app-key"}, {"authorization": "Bearer admin-key"}
        assert proxy.chat(headers=app).status_code == 200
        assert proxy.rows(1)[0].key_id == "app"
        for path in ("/metrics", "/v1/router/evidence"):
            assert proxy.client.get(path).status_code == 401
            assert proxy.client.get(path, headers=app).status_code == 403
            assert proxy.client.get(path, headers=admin).status_code == 200
        assert proxy.client.post("/v1/router/table/rollback", headers=app).status_code == 403
        assert proxy.client.get("/health/live").status_code == proxy.client.get("/health/ready").status_code == 200
        assert "app-key" not in proxy.log and "admin-key" not in proxy.log


def test_a_call_can_stay_out_of_the_evidence(simulated: Running) -> None:
    before = len(simulated.rows())
    assert simulated.chat("Hello", headers={"x-router-record": "off"}).status_code == 200
    simulated.chat("Hello", headers={"x-router-session": "s-1"})
    row = simulated.rows(before + 1)[-1]
    assert row.session == "s-1"


def test_a_port_that_is_taken_is_one_sentence(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = command(tmp_path, "serve", "--port", str(port))
    assert done.returncode == 1
    assert (
        done.stderr
        == f"router: port {port} of 127.0.0.1 is taken: stop what listens there, or choose another with --port\n"
    )


def test_an_open_address_without_a_key_is_refused(tmp_path: Path) -> None:
    done = command(tmp_path, "serve", "--host", "0.0.0.0", "--port", "0")
    assert done.returncode == 1 and "router keys new" in done.stderr and done.stderr.count("\n") == 1


def test_a_table_file_that_is_broken_stops_the_start_with_its_place(tmp_path: Path) -> None:
    folder = tmp_path / "config"
    folder.mkdir()
    (folder / "routing_table.json").write_text(
        '{"schema": 1,\n "policy": "mine",\n "classes": {"general": {"models": 7}}}'
    )
    done = command(tmp_path, "serve", "--port", "0")
    assert done.returncode == 1
    assert "routing_table.json:3:" in done.stderr and "Traceback" not in done.stderr


def test_a_pool_that_is_no_database_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "router.db").write_bytes(b"not a database" * 100)
    done = command(tmp_path, "serve", "--port", "0")
    assert done.returncode == 1 and done.stderr.startswith("router: ") and done.stderr.count("\n") == 1


def test_sigterm_lets_a_stream_finish_and_keeps_its_row(tmp_path: Path) -> None:
    with Providers(pace_s=0.05) as providers, running(tmp_path, with_keys(providers)) as proxy:
        body = {"model": "gpt-5.5", "stream": True, "messages": [{"role": "user", "content": "Tell a story"}]}
        with proxy.client.stream("POST", "/v1/chat/completions", json=body) as response:
            pieces = response.iter_raw()
            text = next(pieces)
            proxy.process.terminate()
            text += b"".join(pieces)
        assert text.endswith(b"data: [DONE]\n\n")
        assert proxy.process.wait(10) == 0
        assert [row.outcome for row in proxy.rows(1)] == ["ok"]


def test_sigkill_loses_no_row_of_an_answer_that_was_seen_to_end(tmp_path: Path) -> None:
    with running(tmp_path) as proxy:
        seen = [proxy.chat(f"Question {number}").headers["x-request-id"] for number in range(20)]
        proxy.stop(signal.SIGKILL)
        assert {row.request_id for row in proxy.rows(20)} == set(seen)


def test_a_table_of_simulated_rows_is_not_followed_once_real_providers_answer(tmp_path: Path) -> None:
    with running(tmp_path) as proxy:
        proxy.chat("Fix it", model="auto:coding_deep_review")
    built = json.loads(command(tmp_path, "table", "build", "--json").stdout)
    assert built["simulated"] and command(tmp_path, "table", "publish").returncode == 0
    with running(tmp_path) as proxy:
        assert proxy.chat().headers["x-router-table"] == built["version"]
    with Providers() as providers, running(tmp_path, with_keys(providers)) as proxy:
        answer = proxy.chat("Fix it", model="auto:coding_deep_review")
        assert answer.headers["x-router-model"] == "claude-opus-4.7"
        assert answer.headers["x-router-table"] != built["version"]
        assert "simulated rows" in proxy.log


def test_a_model_that_no_file_names_stops_the_start_with_its_place(tmp_path: Path) -> None:
    folder = tmp_path / "config"
    folder.mkdir()
    table = {"schema": 1, "policy": "mine", "classes": {"general": {"models": ["gpt-5.55"]}}}
    (folder / "routing_table.json").write_text(json.dumps(table, indent=1))
    done = command(tmp_path, "config", "check")
    assert done.returncode == 3 and "routing_table.json:7:5" in done.stderr and "did you mean 'gpt-5.5'" in done.stderr


def test_a_pool_that_is_deleted_under_a_running_proxy_is_told(tmp_path: Path) -> None:
    with running(tmp_path) as proxy:
        proxy.chat()
        for file in tmp_path.glob("router.db*"):
            file.unlink()
        assert proxy.chat().status_code == 200
        assert proxy.client.get("/health/ready").status_code == 503
        assert "was removed or replaced" in proxy.log


def test_two_interrupts_stop_at_once_without_a_traceback(tmp_path: Path) -> None:
    with running(tmp_path) as proxy:
        proxy.process.send_signal(signal.SIGINT)
        proxy.process.send_signal(signal.SIGINT)
        proxy.process.wait(10)
        assert "Traceback" not in proxy.log


def test_a_reload_that_drops_the_last_key_does_not_open_the_address(tmp_path: Path) -> None:
    key = {"id": "app", "sha256": hashlib.sha256(b"app-key").hexdigest()}
    (tmp_path / "own.yaml").write_text(json.dumps({"keys": [key]}))
    with running(tmp_path, config={"keys": [key], "server": {"host": "0.0.0.0"}}) as proxy:
        (tmp_path / "own.yaml").write_text("keys: []")  # the host is left to what the first file said
        proxy.process.send_signal(signal.SIGHUP)
        proxy.until(lambda: "the configuration was not taken" in proxy.log)
        assert proxy.chat().status_code == 401


def test_a_key_that_came_by_a_reload_is_never_logged(tmp_path: Path) -> None:
    with running(tmp_path, config={}) as proxy:
        provider = {"dialect": "openai", "base_url": "http://127.0.0.1:9", "api_key": "renewed-key"}
        model = {"provider": "local", "id": "renewed-key"}
        (tmp_path / "own.yaml").write_text(
            json.dumps({"providers": {"local": provider}, "models": {"renewed-key": model}})
        )
        assert proxy.client.post("/v1/router/reload").status_code == 200
        assert proxy.chat(model="renewed-key").status_code == 502
        proxy.until(lambda: '"outcome":"error"' in proxy.log)
        assert "renewed-key" not in proxy.log and "[redacted]" in proxy.log


@pytest.mark.parametrize("place", ["no-folder/state.db", "damaged.db"])
def test_a_state_file_that_cant_be_used_is_one_sentence(tmp_path: Path, place: str) -> None:
    (tmp_path / "damaged.db").write_bytes(b"no database" * 100)
    (tmp_path / "own.yaml").write_text(json.dumps({"state": {"url": f"sqlite:///{place}"}}))
    done = command(tmp_path, "--config", "own.yaml", "serve", "--port", "0")
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert done.stderr.startswith("router: the state file") and place in done.stderr
