import hashlib
from datetime import date
from pathlib import Path

import pytest

from router.catalog import Model
from router.errors import ConfigError
from router.policies import Policy
from router.settings import Settings, load
from router.shape import ModelRow
from router.types import Usage

HEX = "a" * 64


def settings(folder: Path, text: str, environ: dict[str, str] | None = None) -> Settings:
    """The settings with `text` as the operator's file, which messages call own.yaml."""
    (folder / "own.yaml").write_text(text)
    return load(Path("own.yaml"), environ or {}, folder)


def complaint(folder: Path, text: str, environ: dict[str, str] | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        settings(folder, text, environ)
    return str(caught.value)


# --- errors --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("server:\n  prot: 1\n", "own.yaml:2:3: unknown key 'prot' in server; did you mean 'port'?"),
        ("log: {depth: 1}\n", "own.yaml:1:7: unknown key 'depth' in log; it can be level"),
        ("sever: {}\n", "own.yaml:1:1: unknown key 'sever'; did you mean 'server'?"),
        (
            "models: {gpt-5.5: {price: {ouput: 1}}}\n",
            "own.yaml:1:28: unknown key 'ouput' in models.gpt-5.5.price; did you mean 'output'?",
        ),
        ("server: {port: abc}\n", "own.yaml:1:16: server.port is 'abc'; it can be a whole number from 1 to 65535"),
        ("server: {port: 0}\n", "own.yaml:1:16: server.port is 0; it can be a whole number from 1 to 65535"),
        ("server: {port: true}\n", "own.yaml:1:16: server.port is true; it can be a whole number from 1 to 65535"),
        ("server: 4000\n", "own.yaml:1:9: server is 4000; it can be a mapping with host, port"),
        ("timeouts: {idle_s: .inf}\n", "own.yaml:1:20: timeouts.idle_s is inf; it can be a number above 0"),
        (
            'state: {url: "redis://127.0.0.1"}\n',
            "own.yaml:1:14: state.url is 'redis://127.0.0.1'; "
            "it can be memory:// or sqlite:///FILE, such as sqlite:///state.db",
        ),
        (
            'state: {url: "memory://shared"}\n',
            "own.yaml:1:14: state.url is 'memory://shared'; "
            "it can be memory:// or sqlite:///FILE, such as sqlite:///state.db",
        ),
        ("state: {max_mb: 0}\n", "own.yaml:1:17: state.max_mb is 0; it can be a number above 0"),
        ("log: {level: loud}\n", "own.yaml:1:14: log.level is 'loud'; it can be debug, info or warning"),
        (
            "providers: {x: {dialect: openai}}\n",
            "own.yaml:1:13: providers.x has no base_url; "
            "it needs an http or https URL, such as https://api.example.com/v1",
        ),
        (
            'providers: {openai: {base_url: "ftp://x"}}\n',
            "own.yaml:1:32: providers.openai.base_url is 'ftp://x'; "
            "it can be an http or https URL, such as https://api.example.com/v1",
        ),
        (
            'models: {"a b": {provider: openai}}\n',
            "own.yaml:1:10: 'a b' can't be a name in models; it can be a name of letters, digits and . _ : / -, "
            "100 at most, that begins with a letter or digit",
        ),
        (
            f"keys: [{{id: a, sha256: {HEX}, roles: []}}]\n",
            "own.yaml:1:97: keys[0].roles is an empty list; it can be a list of at least one, each item call or admin",
        ),
        (
            "models: {gpt-5.5: {price: {from: 12}}}\n",
            "own.yaml:1:34: models.gpt-5.5.price.from is 12; it can be a date such as 2026-12-01",
        ),
        ("models: {new: {id: x}}\n", None),
    ],
)
def test_a_wrong_key_or_value_is_refused_with_its_place_and_what_would_be_right(
    tmp_path: Path, text: str, message: str | None
) -> None:
    found = complaint(tmp_path, text)
    if message is None:
        assert found.startswith("own.yaml:1:10: models.new has no provider; it needs a name")
    else:
        assert found == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("server: {port: 1\n", "own.yaml:2:1: not YAML: expected ',' or '}', but got '<stream end>'"),
        ("a: b: c\n", "own.yaml:1:5: not YAML: mapping values are not allowed here"),
        (
            "log: {level: ${LEVEL:-info}}\n",
            "own.yaml:1:15: not YAML: expected ',' or '}', but got '{'; a ${...} inside braces needs quotes",
        ),
        ("log: {}\nlog: {}\n", "own.yaml:2:1: key 'log' is here twice; the first is in line 1"),
        (
            "- 1\n",
            "own.yaml:1:1: own.yaml is a mapping of server, keys, providers, models, aliases, classes, "
            "policies, priors, timeouts, retries, breaker, limits, evidence, state, log",
        ),
        ("log: &a {level: info}\nserver: *a\n", "own.yaml:2:1: an alias (*name) isn't read here; write the value out"),
        ("log: &a\n  level: *a\n", "own.yaml:2:3: an alias (*name) isn't read here; write the value out"),
        (
            "log: {level: !!python/name:os.system x}\n",
            "own.yaml:1:14: the tag tag:yaml.org,2002:python/name:os.system isn't read here; "
            "write plain text, numbers, lists and mappings",
        ),
        (
            "models: {gpt-5.5: {checked: 2026-02-30}}\n",
            "own.yaml:1:29: '2026-02-30' can't be read: day is out of range for month",
        ),
        ("log:\n  level: \x00\n", "own.yaml:2:10: not YAML: the character '\\x00' isn't allowed"),
        ("a: " + "[" * 3000, "own.yaml:1:1: nested too deeply"),
    ],
)
def test_what_is_not_plain_yaml_is_refused_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    assert complaint(tmp_path, text) == message


def test_a_file_that_is_not_utf_8_is_refused_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_bytes(b"log:\n  level: \xff\n")
    with pytest.raises(ConfigError, match=r"^own.yaml:2:10: not UTF-8 text$"):
        load(Path("own.yaml"), {}, tmp_path)


def test_every_wrong_thing_is_named_on_a_line_of_its_own(tmp_path: Path) -> None:
    assert complaint(tmp_path, "server: {port: x}\nlog: {level: y}\n").splitlines() == [
        "own.yaml:1:16: server.port is 'x'; it can be a whole number from 1 to 65535",
        "own.yaml:2:14: log.level is 'y'; it can be debug, info or warning",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "models: {m: {provider: opnai}}\n",
            "own.yaml:1:24: models.m.provider is 'opnai', which isn't there; did you mean 'openai'?",
        ),
        (
            "models: {m: {provider: openai, fallbacks: [gpt-5.55]}}\n",
            "own.yaml:1:44: models.m.fallbacks names 'gpt-5.55', which isn't another model; did you mean 'gpt-5.5'?",
        ),
        (
            "models: {m: {provider: openai, fallbacks: [m]}}\n",
            "own.yaml:1:44: models.m.fallbacks names 'm', which isn't another model",
        ),
        (
            "models: {m: {provider: anthropic, kind: embedding}}\n",
            "own.yaml:1:41: models.m.kind is embedding, which the dialect anthropic has no request for",
        ),
        (
            "models: {m: {provider: gemini, endpoints: [responses]}}\n",
            "own.yaml:1:43: models.m.endpoints is for models of the dialect openai; leave it out",
        ),
        (
            "models: {m: {provider: openai, effort: max, efforts: [low, high]}}\n",
            "own.yaml:1:40: models.m.effort is 'max', which isn't one of its efforts; it can be high or low",
        ),
        (
            "models: {m: {provider: openai, price: [{input: 1, output: 1}, {input: 2, output: 2}]}}\n",
            "own.yaml:1:39: models.m.price has two prices from the same day; give each a `from` of its own",
        ),
        (
            "models: {auto: {provider: openai}}\n",
            "own.yaml:1:10: 'auto' can't be a name here: auto and auto:<class> route",
        ),
        (
            "models: {'auto:x': {provider: openai}}\n",
            "own.yaml:1:10: 'auto:x' can't be a name here: auto and auto:<class> route",
        ),
        (
            "models: {simulated/x: {provider: openai}}\n",
            "own.yaml:1:10: 'simulated/x' can't be a name here: simulated/ marks what the simulated providers answer",
        ),
        (
            "aliases: {fast: gtp-5.5}\n",
            "own.yaml:1:17: aliases.fast is 'gtp-5.5'; "
            "it can be auto, auto:<class> or a model; did you mean 'gpt-5.5'?",
        ),
        ("aliases: {gpt-5.5: auto}\n", "own.yaml:1:11: 'gpt-5.5' is a model; an alias has a name of its own"),
        (
            "policies: {generl: {objective: thrift}}\n",
            "own.yaml:1:12: policies names the class 'generl', which isn't there; did you mean 'general'?",
        ),
        ("classes: {general: null}\n", "own.yaml:1:11: general can't be removed: it takes what no other class does"),
        (
            f"keys: [{{id: a, sha256: {HEX}}}, {{id: a, sha256: {'b' * 64}}}]\n",
            "own.yaml:1:96: two keys are called 'a'; give each an id of its own",
        ),
    ],
)
def test_names_that_point_nowhere_are_refused_with_their_place(tmp_path: Path, text: str, message: str) -> None:
    assert complaint(tmp_path, text) == message


# --- the environment -----------------------------------------------------------------------------------


def test_variables_are_filled_in_and_an_empty_one_takes_the_default(tmp_path: Path) -> None:
    text = 'server: {port: "${PORT:-1}", host: "${HOST:-localhost}"}\nevidence: {url: "sqlite:///${NAME}.db"}\n'
    found = settings(tmp_path, text, {"PORT": "8080", "HOST": "", "NAME": "rows"})
    assert (found.server.port, found.server.host) == (8080, "localhost")
    assert found.evidence.url == "sqlite:///rows.db"


def test_a_variable_of_digits_stays_a_text_where_a_text_is_wanted(tmp_path: Path) -> None:
    found = settings(tmp_path, "", {"OPENAI_API_KEY": "12345"})
    assert found.shape.providers["openai"].api_key == "12345"


def test_an_unset_variable_without_default_is_refused(tmp_path: Path) -> None:
    message = complaint(tmp_path, 'log: {level: "${LEVEL}"}\n')
    assert message == "own.yaml:1:14: the variable LEVEL isn't set; set it, or write ${LEVEL:-a default}"


@pytest.mark.parametrize("text", ["${}", "${a b}", "${OPEN", "${A-b}"])
def test_a_broken_variable_is_refused(tmp_path: Path, text: str) -> None:
    assert complaint(tmp_path, f'log: {{level: "{text}"}}\n').startswith(f"own.yaml:1:14: '{text}' isn't ${{NAME}} or")


def test_two_dollars_stand_for_one(tmp_path: Path) -> None:
    found = settings(tmp_path, 'classes: {shell: {examples: ["What does $${HOME:-x} mean?"]}}\n')
    assert found.classes["shell"].examples == ("What does ${HOME:-x} mean?",)


def test_an_error_never_shows_what_the_environment_or_a_secret_key_holds(tmp_path: Path) -> None:
    environ = {"OPENAI_API_KEY": "sk secret\n1"}
    assert "secret" not in complaint(tmp_path, "", environ)
    assert "hunter2" not in complaint(tmp_path, 'log: {level: "${PASS}"}\n', {"PASS": "hunter2"})
    assert "12345" not in complaint(tmp_path, "providers: {openai: {api_key: 12345}}\n")
    assert "hunter2" not in complaint(tmp_path, 'providers: {openai: {base_url: "ftp://me:hunter2@x"}}\n')


# --- layers --------------------------------------------------------------------------------------------


def test_without_a_file_of_ones_own_the_shipped_configuration_is_in_force(tmp_path: Path) -> None:
    found = load(None, {}, tmp_path)
    assert (found.server.host, found.server.port) == ("127.0.0.1", 4000)
    assert [Path(file).name for file in found.files] == [
        "router.yaml",
        "models.yaml",
        "priors.yaml",
        "routing_table.json",
    ]


def test_the_config_folder_of_the_working_directory_is_laid_over_the_shipped_one(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "router.yaml").write_text("server: {port: 4001}\n")
    (tmp_path / "config" / "models.yaml").write_text("tiny: {provider: openai}\n")
    (tmp_path / "config" / "classes.yaml").write_text("contract_review: {description: Contracts}\n")
    found = load(None, {}, tmp_path)
    assert (found.server.host, found.server.port) == ("127.0.0.1", 4001)
    assert found.catalog().find("tiny") and found.catalog().find("gpt-5.5")
    assert found.classes["contract_review"].description == "Contracts"
    assert found.files[-3:] == ("config/router.yaml", "config/models.yaml", "config/classes.yaml")


def test_a_config_folder_with_nothing_of_ours_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "webpack.js").write_text("")
    assert load(None, {}, tmp_path).server.port == 4000


def test_a_named_file_takes_the_place_of_the_working_directorys_folder(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "router.yaml").write_text("server: {port: 4001}\n")
    assert settings(tmp_path, "log: {level: debug}\n").server.port == 4000


def test_an_error_in_a_section_file_names_that_file(tmp_path: Path) -> None:
    (tmp_path / "models.yaml").write_text("tiny:\n  provider: openai\n  imges: true\n")
    message = complaint(tmp_path, "")
    assert message == "models.yaml:3:3: unknown key 'imges' in models.tiny; did you mean 'images'?"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "nowhere.yaml",
            "nowhere.yaml: no such file or folder; --config takes a YAML file or a folder with router.yaml",
        ),
        (
            "empty",
            "empty: no configuration in this folder; "
            "it can hold router.yaml, models.yaml, priors.yaml, classes.yaml and routing_table.json",
        ),
    ],
)
def test_a_config_that_is_not_there_is_refused(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError) as caught:
        load(Path(name), {}, tmp_path)
    assert str(caught.value) == message


def test_mappings_are_merged_and_lists_replaced(tmp_path: Path) -> None:
    text = "models: {gpt-5.5: {max_output_tokens: 5, efforts: [low], price: {input: 4}}}\n"
    model = settings(tmp_path, text).catalog().find("gpt-5.5")
    assert model is not None
    assert (model.max_output_tokens, model.efforts, model.context_tokens) == (5, ("low",), 1_050_000)
    assert (model.tariffs[0].input, model.tariffs[0].output) == (4, 30)


def test_null_removes_an_entry_and_what_leaned_on_it_does_without(tmp_path: Path) -> None:
    text = "models: {gpt-5.5: null}\nproviders: {gemini: null}\nclasses: {research_synthesis: null}\n"
    found = settings(tmp_path, text)
    names = found.catalog().names()
    assert "simulated/gpt-5.5" not in names and "simulated/gemini-3.1-pro" not in names
    model = found.catalog().find("claude-opus-4.7")
    assert model is not None and model.fallbacks == ()
    assert "research_synthesis" not in found.classes and "general" in found.classes


def test_a_section_whose_lines_are_all_comments_says_nothing(tmp_path: Path) -> None:
    assert settings(tmp_path, "server:\n  # port: 1\nmodels:\n").server.port == 4000


# --- catalogue -----------------------------------------------------------------------------------------


def test_with_no_key_at_all_every_model_is_simulated(tmp_path: Path) -> None:
    catalog = load(None, {}, tmp_path).catalog()
    assert catalog.simulated
    assert all(model.name.startswith("simulated/") and model.provider.usable for model in catalog)


def test_one_key_switches_to_real_providers_and_the_others_are_not_usable(tmp_path: Path) -> None:
    found = load(None, {"ANTHROPIC_API_KEY": " sk-1\n", "ANTHROPIC_BASE_URL": "http://127.0.0.1:9/"}, tmp_path)
    catalog = found.catalog()
    usable = {model.provider.name: model.provider.usable for model in catalog}
    assert usable == {"openai": False, "anthropic": True, "gemini": False}
    model = catalog.find("claude-opus-4.7")
    assert model is not None and not catalog.simulated
    assert (model.id, model.provider.api_key, model.provider.base_url) == (
        "claude-opus-4-7",
        "sk-1",
        "http://127.0.0.1:9",
    )


def test_a_provider_without_api_key_needs_none(tmp_path: Path) -> None:
    text = (
        'providers: {ollama: {dialect: openai, base_url: "http://127.0.0.1:11434/v1"}}\n'
        "models: {llama: {provider: ollama}}\n"
    )
    catalog = settings(tmp_path, text).catalog()
    model = catalog.find("llama")
    assert model is not None and not catalog.simulated
    assert (model.id, model.provider.usable, model.provider.api_key, model.tariffs) == ("llama", True, None, ())


def test_prices_change_on_their_day_and_above_their_length(tmp_path: Path) -> None:
    text = """
models:
  m:
    provider: openai
    price:
      - {input: 2, cached: 0.5, cache_write: 3, output: 10, above: {input_tokens: 1000, input: 4, output: 20}}
      - {from: 2026-12-01, input: 1, output: 1}
"""
    model = settings(tmp_path, text).catalog().find("m")
    assert model is not None
    short, long = Usage(1000, 100, cached_tokens=400, cache_write_tokens=100), Usage(2000, 100)
    assert model.cost_usd(short, date(2026, 11, 30)) == pytest.approx((500 * 2 + 400 * 0.5 + 100 * 3 + 1000) / 1e6)
    assert model.cost_usd(long, date(2026, 11, 30)) == pytest.approx((2000 * 4 + 100 * 20) / 1e6)
    assert model.cost_usd(long, date(2026, 12, 1)) == pytest.approx(2100 / 1e6)


def test_a_variant_that_names_only_its_effort_knows_that_effort(tmp_path: Path) -> None:
    model = settings(tmp_path, "models: {m: {provider: openai, effort: high}}\n").catalog().find("m")
    assert model is not None and model.efforts == ("high",)


def test_the_columns_of_a_row_default_to_the_catalogues_own(tmp_path: Path) -> None:
    row = ModelRow(provider="openai")
    shared = set(ModelRow.model_fields) & set(Model.__dataclass_fields__) - {"provider", "id"}
    assert {name: getattr(row, name) for name in shared} == {
        name: Model.__dataclass_fields__[name].default for name in shared
    }


# --- what processes share ------------------------------------------------------------------------------


def test_state_is_in_memory_unless_a_file_is_named(tmp_path: Path) -> None:
    found = settings(tmp_path, "").state
    assert (found.url, found.max_mb) == ("memory://", 64)
    found = settings(tmp_path, 'state: {url: "sqlite:///state.db", max_mb: 1.5}\n').state
    assert (found.url, found.max_mb) == ("sqlite:///state.db", 1.5)


@pytest.mark.parametrize("path", ["router.db", "./router.db", str(Path("router.db").resolve())])
def test_state_and_evidence_in_one_file_are_refused(tmp_path: Path, path: str) -> None:
    message = "own.yaml:1:14: state.url and evidence.url name the same file; give each a file of its own"
    assert complaint(tmp_path, f'state: {{url: "sqlite:///{path}"}}\n') == message


# --- classes and policies ------------------------------------------------------------------------------


def test_the_six_classes_are_there_and_custom_ones_join_them(tmp_path: Path) -> None:
    found = settings(tmp_path, 'classes: {contract_review: {description: Leases, examples: ["Which clause?"]}}\n')
    assert list(found.classes) == [
        "coding_deep_review",
        "agentic_terminal_work",
        "long_context_synthesis",
        "research_synthesis",
        "strict_json_extraction",
        "general",
        "contract_review",
    ]
    assert [known.name for known in found.custom_classes] == ["contract_review"]


def test_a_policy_of_a_class_takes_from_the_default_what_it_leaves_unsaid(tmp_path: Path) -> None:
    text = """
policies:
  default: {objective: thrift, max_cost_usd: 1}
  general: {max_cost_usd: 0.5}
  coding_deep_review: {objective: quality}
"""
    assert settings(tmp_path, text).policies == {
        "default": Policy("thrift", 1),
        "general": Policy("thrift", 0.5),
        "coding_deep_review": Policy("quality", 1),
    }


# --- keys ----------------------------------------------------------------------------------------------


def test_keys_of_the_environment_are_hashed_and_have_their_roles(tmp_path: Path) -> None:
    found = load(None, {"ROUTER_KEY": "one", "ROUTER_ADMIN_KEY": "two"}, tmp_path)
    assert [(key.id, key.sha256, key.roles) for key in found.keys] == [
        ("env", hashlib.sha256(b"one").hexdigest(), ("call",)),
        ("env-admin", hashlib.sha256(b"two").hexdigest(), ("call", "admin")),
    ]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.8.8"])
def test_without_a_key_the_loopback_is_served(tmp_path: Path, host: str) -> None:
    assert settings(tmp_path, f'server: {{host: "{host}"}}\n').server.host == host


def test_without_a_key_another_host_is_refused_and_with_one_it_is_served(tmp_path: Path) -> None:
    text = "server: {host: 0.0.0.0}\n"
    message = complaint(tmp_path, text)
    assert message.startswith(
        "own.yaml:1:16: server.host is '0.0.0.0', open to other machines, and no key is asked for"
    )
    assert "router keys new" in message
    assert settings(tmp_path, text, {"ROUTER_KEY": "one"}).server.host == "0.0.0.0"
    assert settings(tmp_path, text + f"keys: [{{id: a, sha256: {HEX}}}]\n").keys[0].roles == ("call",)


def test_a_host_from_the_command_line_is_checked_by_the_same_rule(tmp_path: Path) -> None:
    found = load(None, {}, tmp_path)
    found.check_host("127.0.0.1")
    with pytest.raises(ConfigError, match=r"server\.host is '0\.0\.0\.0', open"):
        found.check_host("0.0.0.0")


# --- what is shown -------------------------------------------------------------------------------------


def test_what_is_shown_holds_no_secret(tmp_path: Path) -> None:
    environ = {"OPENAI_API_KEY": "sk-openai", "ROUTER_KEY": "caller-secret"}
    text = 'providers: {own: {dialect: openai, base_url: "http://me:pass-word@host/v1"}}\n'
    found = settings(tmp_path, text, environ)
    document = found.redacted()
    assert document["providers"]["openai"]["api_key"] == "set"
    assert document["providers"]["gemini"]["api_key"] == "not set"
    assert document["providers"]["own"] == {"dialect": "openai", "base_url": "http://***@host/v1"}
    assert document["keys"] == [{"id": "env", "sha256": "set", "roles": ["call"]}]
    shown = str(document) + repr(found)
    assert not any(
        secret in shown for secret in ("sk-openai", "caller-secret", hashlib.sha256(b"caller-secret").hexdigest())
    )
    assert found.secrets() == ["sk-openai", "caller-secret"]


# --- the routing table ---------------------------------------------------------------------------------


def test_the_routing_table_of_the_last_layer_is_the_initial_one(tmp_path: Path) -> None:
    assert load(None, {}, tmp_path).initial_table().policy == "seed"
    table = '{"schema": 1, "policy": "mine", "classes": {"general": {"models": ["gpt-5.4"]}}}'
    (tmp_path / "routing_table.json").write_text(table)
    assert settings(tmp_path, "").initial_table().classes["general"].models == ("gpt-5.4",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"schema": 1,\n', "routing_table.json:2:1: not JSON: Expecting property name enclosed in double quotes"),
        ('{"schema": 1,\n "policy": 7}', "routing_table.json:2:2: policy is the name of the rule"),
        (
            '{"schema": 1, "policy": "p",\n "classes": {"c": {"models": ["a",\n  {"model": "b", "rows": -1}]}}}',
            "routing_table.json:3:18: rows is -1; it is a whole number of 0 or more",
        ),
        ('{"policy": "${x}"}', "routing_table.json:1:1: schema is None; this version reads 1"),
    ],
)
def test_a_broken_routing_table_is_refused_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "routing_table.json").write_text(text)
    with pytest.raises(ConfigError) as caught:
        settings(tmp_path, "").initial_table()
    assert str(caught.value).startswith(message)
