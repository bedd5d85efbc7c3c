"""The MLflow source on a real MLflow."""

import json
import subprocess
from typing import Any

import pytest

from firestation.drivers import Drivers
from firestation.errors import Gone, InvalidInput
from firestation.evidence import Scope
from firestation.ports import Source
from firestation.testing import SourceConformance
from tests.drivers import products
from tests.drivers.sources.reading import documents, gather, just_now, make_source
from tests.e2e.processes import free_port

pytestmark = pytest.mark.driver

# What an application does with MLflow's own client, which lives in MLflow's own environment.
APPLICATION = """
import json, sys
import mlflow

mlflow.set_tracking_uri(sys.argv[1])
experiment = mlflow.create_experiment("refunds")
mlflow.set_experiment(experiment_id=experiment)
traces = {}
for request in ("r-1", "r-2"):
    with mlflow.start_span("answer") as span:
        mlflow.update_current_trace(client_request_id=request)
        span.set_inputs({"question": "a refund?"})
        span.set_outputs({"ruling": "approved"})
    traces[request] = span.trace_id
mlflow.flush_trace_async_logging()
for text in ("Rule by {{policy}}.", "Be friendly. Rule by {{policy}}."):
    mlflow.genai.register_prompt("refund", text)
mlflow.genai.set_prompt_alias("refund", "production", 2)
mlflow.genai.set_prompt_alias("refund", "first", 1)
dataset = mlflow.genai.datasets.create_dataset("golden", experiment_id=[experiment])
dataset.merge_records([{"inputs": {"question": "a refund?"}, "expectations": {"ruling": "denied"}}])
print(json.dumps({"experiment": experiment, "traces": traces, "dataset": dataset.dataset_id}))
"""


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory, mlflow: str) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("application")
    surroundings = {"MLFLOW_DISABLE_TELEMETRY": "true", "HOME": str(folder)}
    command = [products.program("mlflow", "python"), "-W", "ignore", "-c", APPLICATION, mlflow]
    done = subprocess.run(command, cwd=folder, env=surroundings, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {"url": mlflow, **json.loads(done.stdout.splitlines()[-1])}


def make(bench: Drivers, seeded: dict[str, Any], *provides: str, **config: Any) -> Source:
    return make_source(bench, "mlflow", provides, **{"base": seeded["url"], **config})


def all_of_it(seeded: dict[str, Any]) -> dict[str, Any]:
    return {
        "experiments": [seeded["experiment"]],
        "prompts": [{"name": "refund"}],
        "datasets": [seeded["dataset"]],
        "gateway": True,
    }


@pytest.mark.asyncio
class TestMlflowSource(SourceConformance):
    @pytest.fixture
    def source(self, bench: Drivers, seeded: dict[str, Any]) -> Source:
        return make(bench, seeded, "requests", **all_of_it(seeded))

    @pytest.fixture
    def absent(self, bench: Drivers, seeded: dict[str, Any]) -> Source:
        return make(bench, {"url": f"http://127.0.0.1:{free_port()}"}, "requests", **all_of_it(seeded))

    @pytest.fixture
    def scope(self, seeded: dict[str, Any]) -> Scope:
        return just_now("r-1", trace_ids=(seeded["traces"]["r-2"],))


async def test_it_freezes_what_the_application_ran_on(bench: Drivers, seeded: dict[str, Any]) -> None:
    traces = seeded["traces"]
    scope = just_now("r-1", trace_ids=(traces["r-2"],))
    found = await documents(make(bench, seeded, "requests", "prompts", **all_of_it(seeded)), scope)
    (of_request,) = (each for name, each in found.items() if name == "trace of request r-1")
    assert of_request["trace"]["trace_info"]["trace_id"] == traces["r-1"]
    assert found[f"trace {traces['r-2']}"]["trace"]["spans"][0]["name"] == "answer"
    around = found[f"traces of experiment {seeded['experiment']} around the alarm"]["traces"]
    assert {each["trace_id"] for each in around} == set(traces.values())
    prompt = found["prompt refund@production"]
    assert (prompt["then"]["text"], prompt["now"]["text"]) == (
        "Rule by {{policy}}.",
        "Be friendly. Rule by {{policy}}.",
    )
    records = found[f"records of dataset {seeded['dataset']}"]["records"]
    assert "denied" in json.dumps(records)
    assert found[f"dataset {seeded['dataset']}"]["dataset"]["name"] == "golden"
    assert "gateway endpoints" in found


async def test_the_first_version_of_a_prompt_has_none_before_it(
    bench: Drivers, seeded: dict[str, Any]
) -> None:
    source = make(bench, seeded, "prompts", prompts=[{"name": "refund", "alias": "first"}])
    found = await documents(source, just_now())
    assert found["prompt refund@first"]["then"] is None


async def test_each_part_gives_its_own_items(bench: Drivers, seeded: dict[str, Any]) -> None:
    source = make(
        bench, seeded, "prompts", "control-sample", prompts=[{"name": "refund"}], datasets=[seeded["dataset"]]
    )
    found, error = await gather(source, just_now())
    assert error is None
    gives = {each.name.split()[0]: each.provides for each in found}
    assert gives == {"prompt": ("prompts",), "dataset": ("control-sample",), "records": ("control-sample",)}


@pytest.mark.parametrize(
    ("config", "scope", "said"),
    [
        ({"prompts": [{"name": "refund", "alias": "staging"}]}, {}, "no alias staging"),
        ({"prompts": [{"name": "no-such-prompt"}]}, {}, "404"),
        ({"datasets": ["d-none"]}, {}, "dataset d-none: .* answered"),
        ({"experiments": ["1"]}, {"request_ids": ("r-9",)}, "trace of request r-9: .*nothing"),
        ({"experiments": ["1"]}, {"request_ids": ("r' OR '1'='1",)}, "quote"),
        ({"experiments": ["1"]}, {"trace_ids": ("tr-none",)}, "trace tr-none: .* answered 404"),
    ],
)
async def test_what_is_not_there_is_named(
    bench: Drivers, seeded: dict[str, Any], config: dict[str, Any], scope: dict[str, Any], said: str
) -> None:
    with pytest.raises(Gone, match=said):
        await documents(make(bench, seeded, **config), just_now(**scope))


def test_nothing_is_asked_for_by_mistake(bench: Drivers, seeded: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="Name at least one of experiments, prompts, datasets, gateway"):
        make(bench, seeded, "prompts")
    with pytest.raises(InvalidInput, match="'flags' is promised by the source, and nothing here gives it"):
        make(bench, seeded, "prompts", "flags", prompts=[{"name": "refund"}])
