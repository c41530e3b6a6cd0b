"""The Helm chart, by helm itself: what it makes of values is what Kubernetes takes, fits together, and refuses what is wrong."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from routebook import __version__
from routebook.cli.main import build_parser
from tests.support.helm import helm, needs_helm
from tests.support.monitoring_operator import needs_operator, said_against
from tests.support.proxy import running_proxy, small_policy

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
CHART = DEPLOY / "helm" / "routebook"
PLAIN = DEPLOY / "kubernetes"
VERSIONS = ("1.29", "1.34")
"""The oldest release of Kubernetes that the chart is for, and a recent one."""

pytestmark = needs_helm

Values = dict[str, Any]
Objects = dict[tuple[str, str], dict[str, Any]]

EVERYTHING: Values = {
    "image": {"repository": "registry.corp/ai/routebook", "tag": "0.1.0-3", "digest": f"sha256:{'0f' * 32}"},
    "imagePullSecrets": [{"name": "registry"}],
    "fullnameOverride": "gateway",
    "workers": 4,
    "policy": {"files": {"policy.yaml": "version: 1\n", "budgets.yaml": "budgets: {}\n"}},
    "sharedLedger": {"url": "rediss://ledger.corp:6380/2", "passwordSecret": "ledger"},
    "tls": {"secret": "front", "clientCa": "clients"},
    "adminTls": {"secret": "admin-front"},
    "drain": 600,
    "extraArgs": ["--reload-limit=60"],
    "extraEnv": [{"name": "TZ", "value": "UTC"}],
    "extraEnvFrom": [{"configMapRef": {"name": "proxies"}}],
    "extraVolumes": [{"name": "keys", "secret": {"secretName": "keys"}}],
    "extraVolumeMounts": [{"name": "keys", "mountPath": "/etc/keys", "readOnly": True}],
    "state": {"storageClass": "fast", "whenDeleted": "Delete"},
    "service": {"type": "LoadBalancer", "port": 443, "annotations": {"corp/zone": "a"}},
    "ingress": {
        "enabled": True,
        "className": "nginx",
        "host": "ai.corp",
        "tlsSecret": "ai",
        "annotations": {"nginx.ingress.kubernetes.io/proxy-buffering": "off"},
    },
    "serviceAccount": {"annotations": {"corp/owner": "ai"}},
    "autoscaling": {"enabled": True},
    "monitor": {
        "enabled": True,
        "labels": {"release": "prometheus"},
        "alerts": (DEPLOY / "monitoring" / "alerts.yaml").read_text(),
    },
    "networkPolicy": {
        "enabled": True,
        "clients": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "shop"}}}],
        "scrapers": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}],
        "ledger": [{"ipBlock": {"cidr": "10.0.0.0/24"}}],
        "egress": [{"to": [{"ipBlock": {"cidr": "10.1.0.0/16"}}], "ports": [{"port": 8000}]}],
    },
    "nodeSelector": {"kubernetes.io/arch": "amd64"},
    "tolerations": [{"key": "ai", "operator": "Exists"}],
    "affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}},
    "topologySpreadConstraints": [
        {"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "DoNotSchedule"}
    ],
    "priorityClassName": "serving",
    "podLabels": {"corp/team": "ai"},
    "podAnnotations": {"corp/note": "x"},
}
LITTLE: Values = {
    "replicas": 1,
    "policy": {"existing": "written-elsewhere"},
    "sharedLedger": {"url": ""},
    "leave": 0,
    "user": None,
    "serviceAccount": {"create": False},
    "disruption": {"enabled": False},
    "monitor": {"enabled": True},
    "networkPolicy": {"enabled": True},
}
SETS: dict[str, Values] = {"defaults": {}, "everything": EVERYTHING, "little": LITTLE}
every_set = pytest.mark.parametrize("name", SETS)


def template(values: Values) -> Any:
    """Ask helm for what the chart makes of values."""
    return helm("template", "routebook", str(CHART), "--namespace", "ai", "--values", "-", given=json.dumps(values))


def rendered(values: Values) -> Objects:
    """What the chart makes of values, by kind and name."""
    return _rendered(json.dumps(values))


@lru_cache(maxsize=8)
def _rendered(values: str) -> Objects:
    done = template(json.loads(values))
    assert done.returncode == 0, done.stderr
    return {(each["kind"], each["metadata"]["name"]): each for each in yaml.safe_load_all(done.stdout) if each}


def one(objects: Objects, kind: str) -> dict[str, Any]:
    """The only object of a kind."""
    [found] = [each for (of, _), each in objects.items() if of == kind]
    return found


def pod(objects: Objects) -> dict[str, Any]:
    """What a pod of the set consists of."""
    found: dict[str, Any] = one(objects, "StatefulSet")["spec"]["template"]["spec"]
    return found


def containers(objects: Objects) -> dict[str, dict[str, Any]]:
    """Its containers by name."""
    return {each["name"]: each for each in pod(objects)["containers"]}


@every_set
def test_helm_finds_nothing_to_say(name: str) -> None:
    """`helm lint --strict`, of the chart with these values."""
    done = helm("lint", "--strict", str(CHART), "--values", "-", given=json.dumps(SETS[name]))
    assert done.returncode == 0 and "1 chart(s) linted, 0 chart(s) failed" in done.stdout, done.stdout + done.stderr
    assert not re.findall(r"\[(?:WARNING|ERROR)\].*", done.stdout)


@every_set
@pytest.mark.parametrize("version", VERSIONS)
def test_it_makes_what_kubernetes_takes(name: str, version: str) -> None:
    """By the published schemas, strictly: a field that there is not is a mistake. No secret is among it: they are named."""
    own = [each for each in rendered(SETS[name]).values() if "coreos" not in each["apiVersion"]]
    assert "Secret" not in {each["kind"] for each in own}
    for each in own:
        kubernetes_validate.validate(each, version, strict=True)


def test_what_is_made_of_values() -> None:
    """Each part that can be left out is there where it is asked for, and nowhere else."""
    always = {"Service", "StatefulSet", "Pod"}
    assert {kind for kind, _ in rendered(LITTLE)} == always | {"ServiceMonitor", "NetworkPolicy"}
    assert {kind for kind, _ in rendered({})} == always | {"ConfigMap", "ServiceAccount", "PodDisruptionBudget"}
    whole = {kind for kind, _ in rendered(EVERYTHING)}
    assert whole == {kind for kind, _ in [*rendered(LITTLE), *rendered({})]} | {
        "HorizontalPodAutoscaler",
        "Ingress",
        "PrometheusRule",
    }
    assert "replicas" not in one(rendered(EVERYTHING), "StatefulSet")["spec"]


@needs_operator
def test_the_operator_of_prometheus_takes_its_part() -> None:
    """The monitor of each set and of the plain manifests, and the alerts, as `deploy/monitoring` has them."""
    rules = one(rendered(EVERYTHING), "PrometheusRule")
    assert rules["spec"] == yaml.safe_load((DEPLOY / "monitoring" / "alerts.yaml").read_text())
    plain = yaml.safe_load((PLAIN / "monitor.yaml").read_text())
    monitors = [one(rendered(values), "ServiceMonitor") for values in (EVERYTHING, LITTLE)]
    assert said_against([rules, plain, *monitors]) == [""] * 4
    wrong = json.loads(json.dumps(plain))
    wrong["spec"]["endpoints"][0]["interval"] = "15 s"
    [said] = said_against([wrong])
    assert "interval" in said


def plainly(value: Any) -> Any:
    """A value without what only says who made it, and without what Kubernetes takes for granted."""
    ignored = {
        "app.kubernetes.io/instance",
        "app.kubernetes.io/version",
        "app.kubernetes.io/managed-by",
        "helm.sh/chart",
    }
    if isinstance(value, dict):
        granted = {"scheme": "HTTP", "imagePullPolicy": "IfNotPresent", "type": "ClusterIP"}
        return {
            key: plainly(each)
            for key, each in value.items()
            if key not in ignored and granted.get(key) != each and key not in ("serviceAccountName", "image")
        }
    return [plainly(each) for each in value] if isinstance(value, list) else value


def options(words: list[str]) -> dict[str, Any]:
    """What a command line of the program comes to."""
    return vars(build_parser([words[0]]).parse_args(words))


def test_by_default_it_is_what_the_plain_manifests_are() -> None:
    """Everything but who made it, and a service account of its own."""
    chart = {key: each for key, each in rendered({}).items() if key[0] not in ("Pod", "ServiceAccount", "ConfigMap")}
    plain = {
        (each["kind"], each["metadata"]["name"]): each
        for name in ("statefulset.yaml", "service.yaml", "disruption.yaml")
        for each in yaml.safe_load_all((PLAIN / name).read_text())
    }
    assert chart.keys() == plain.keys()
    made, written = (json.loads(json.dumps(each)) for each in (list(chart.items()), list(plain.items())))
    made, written = ({tuple(key): plainly(each) for key, each in side} for side in (made, written))
    kept = made["StatefulSet", "routebook"]["spec"].pop("persistentVolumeClaimRetentionPolicy")
    assert kept == {"whenDeleted": "Retain", "whenScaled": "Retain"}  # as Kubernetes does by itself
    lines = [
        options(side["StatefulSet", "routebook"]["spec"]["template"]["spec"]["containers"][0].pop("args"))
        for side in (made, written)
    ]
    assert lines[0] == lines[1]
    assert made == written
    policy = one(rendered({}), "ConfigMap")["data"]["policy.yaml"]
    assert policy == (PLAIN / "policy.yaml").read_text()


@every_set
def test_command_lines_and_times_fit(name: str) -> None:
    """The program takes each, and Kubernetes does not kill before a pod has left and drained."""
    made, values = rendered(SETS[name]), SETS[name]
    serving = containers(made)["routebook"]
    found = options(serving["args"])
    assert found["drain"] == values.get("drain", 30) and found["workers"] == values.get("workers", 1)
    leave = int(
        serving.get("lifecycle", {"preStop": {"exec": {"command": ["sleep", "0"]}}})["preStop"]["exec"]["command"][1]
    )
    assert leave == values.get("leave", 5) and pod(made)["terminationGracePeriodSeconds"] > leave + found["drain"]
    mounted = {each["mountPath"] for each in serving["volumeMounts"]}
    files = [str(value) for value in found.values() if str(value).startswith("/etc/")]
    assert len(files) == (6 if "tls" in values else 1)
    assert {str(Path(file).parent) for file in files} <= mounted
    certificates = {each["mountPath"] for each in containers(made)["reload"]["volumeMounts"]} - {"/var/lib/routebook"}
    assert certificates == {f"/etc/routebook/{of}" for of in ("rules", "tls", "client-ca", "admin-tls")} & mounted


@every_set
def test_names_fit(name: str) -> None:
    """Selectors find the pods, ports have names that exist, mounts have volumes, and the test's addresses are services."""
    made = rendered(SETS[name])
    labels = one(made, "StatefulSet")["spec"]["template"]["metadata"]["labels"].items()
    services = {of: each for (kind, of), each in made.items() if kind == "Service"}
    selectors = [each["spec"]["selector"] for each in services.values()]
    for kind in ("StatefulSet", "PodDisruptionBudget"):
        selectors += [each["spec"]["selector"]["matchLabels"] for (of, _), each in made.items() if of == kind]
    selectors += [each["spec"]["podSelector"]["matchLabels"] for (of, _), each in made.items() if of == "NetworkPolicy"]
    assert all(selector.items() <= labels for selector in selectors)
    tested = one(made, "Pod")
    assert not any(selector.items() <= tested["metadata"]["labels"].items() for selector in selectors)
    ports = {each["name"] for each in containers(made)["routebook"]["ports"]}
    assert {port["targetPort"] for each in services.values() for port in each["spec"]["ports"]} <= ports
    volumes = {each["name"] for each in pod(made)["volumes"]} | {"state"}
    assert all({mount["name"] for mount in each["volumeMounts"]} <= volumes for each in containers(made).values())
    for url in tested["spec"]["containers"][0]["command"][3::2]:
        host, port = re.fullmatch(r"https?://([\w-]+):(\d+)/[\w/]+", url).groups()  # type: ignore[union-attr]
        assert int(port) in {each["port"] for each in services[host]["spec"]["ports"]}
    assert one(made, "StatefulSet")["spec"]["serviceName"] in services


@every_set
def test_pods_may_do_little(name: str) -> None:
    """No root, no capabilities, no token of the cluster, nothing written but to volumes; the test's pod as well."""
    made = rendered(SETS[name])
    for each in (pod(made), one(made, "Pod")["spec"]):
        assert each["securityContext"]["runAsNonRoot"] and not each["automountServiceAccountToken"]
        assert each["securityContext"].get("runAsUser") == SETS[name].get("user", 10001)
        for container in each["containers"]:
            allowed = container["securityContext"]
            assert allowed["readOnlyRootFilesystem"] and not allowed["allowPrivilegeEscalation"]
            assert allowed["capabilities"] == {"drop": ["ALL"]} and container["resources"]["limits"]["memory"]


def test_another_policy_replaces_no_pod() -> None:
    """It is the ConfigMap alone that changes, under the same name; the sidecar reads it (`test_kubernetes.py` runs its script)."""
    other = rendered({"policy": {"files": {"policy.yaml": "version: 1 # other\n"}}})
    changed = {key for key, each in rendered({}).items() if other[key] != each}
    assert changed == {("ConfigMap", "routebook-policy")} and other.keys() == rendered({}).keys()
    plain = yaml.safe_load((PLAIN / "statefulset.yaml").read_text())["spec"]["template"]["spec"]["containers"]
    assert containers(rendered({}))["reload"]["command"] == plain[1]["command"]


def test_files_of_a_policy_come_through_as_they_are() -> None:
    """Whatever a file holds: quotes, tabs, what looks like a template."""
    text = "version: 1\n# {{ .Values.replicas }} \"quoted\" 'also' \\n ünï\n\n  last: line"
    done = template({"policy": {"files": {"policy.yaml": text, "more_rules.yaml": "x: 1\n"}}})
    [made] = [each for each in yaml.safe_load_all(done.stdout) if each and each["kind"] == "ConfigMap"]
    assert made["data"] == {"policy.yaml": text, "more_rules.yaml": "x: 1\n"}


def test_the_command_of_the_page_installs_a_policy() -> None:
    """`helm install ... --set-file`, as docs/kubernetes.md and values.yaml have it, takes the file as it is."""
    lines = [
        line.strip("# \n")
        for text in (ROOT / "docs" / "kubernetes.md", CHART / "values.yaml")
        for line in text.read_text().splitlines()
        if "helm install" in line
    ]
    assert len(lines) == 2 and len(set(lines)) == 1
    program, verb, *words = shlex.split(lines[0])
    assert (program, verb) == ("helm", "install")
    there = [word.replace("=rules/", f"={ROOT}/rules/").replace("deploy/", f"{DEPLOY}/") for word in words]
    done = helm("template", *there)
    assert done.returncode == 0, done.stderr
    [made] = [each for each in yaml.safe_load_all(done.stdout) if each and each["kind"] == "ConfigMap"]
    assert made["data"] == {"policy.yaml": (ROOT / "rules" / "policy.yaml").read_text()}


def test_only_what_is_needed_goes_out() -> None:
    """Names, upstreams, and the store on the port of its address; where nobody is named, the namespace may call."""
    closed, open_ = (one(rendered(values), "NetworkPolicy")["spec"] for values in (EVERYTHING, LITTLE))
    ports = [[port["port"] for port in rule["ports"]] for rule in closed["egress"]]
    assert ports == [[53, 53], [443], [6380], [8000]]
    assert closed["egress"][2]["to"] == EVERYTHING["networkPolicy"]["ledger"]
    assert [[port["port"] for port in rule["ports"]] for rule in open_["egress"]] == [[53, 53], [443]]
    assert [rule["from"] for rule in open_["ingress"]] == [[{"podSelector": {}}]] * 2
    own = {"podSelector": {"matchLabels": {"app.kubernetes.io/instance": "routebook"}}}
    assert closed["ingress"][0]["from"] == [own, *EVERYTHING["networkPolicy"]["clients"]]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"replica": 3}, "replica"),
        ({"image": {"digest": "sha256:beef"}}, "/image/digest"),
        ({"image": {"repository": "routebook@sha256:beef"}}, "/image/repository"),
        ({"drain": "30s"}, "/drain"),
        ({"replicas": 0}, "/replicas"),
        ({"logLevel": "verbose"}, "/logLevel"),
        ({"sharedLedger": {"url": "http://redis:6379"}}, "/sharedLedger/url"),
        ({"sharedLedger": {"password": "hunter2"}}, "password"),
        ({"secrets": {"providers": ""}}, "/secrets/providers"),
        ({"state": {"size": "20 GB"}}, "/state/size"),
        ({"resources": {"limits": {"memory": "1G B"}}}, "/resources/limits/memory"),
        ({"disruption": {"maxUnavailable": 0}}, "/disruption/maxUnavailable"),
        ({"policy": {"files": {"policy.yaml": {"version": 1}}}}, "/policy/files/policy.yaml"),
        ({"policy": {"files": {"a/b.yaml": "version: 1"}}}, "/policy/files"),
        ({"user": 0}, "/user"),
        ({"extraArgs": ["serve"]}, "/extraArgs/0"),
    ],
    ids=lambda case: json.dumps(case) if isinstance(case, dict) else "",
)
def test_a_wrong_value_is_refused_by_the_schema(wrong: Values, said: str) -> None:
    """With the place where it stands; nothing is made of it."""
    done = template(wrong)
    assert done.returncode != 0 and not done.stdout
    assert "values don't meet the specifications of the schema" in done.stderr and said in done.stderr, done.stderr


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"sharedLedger": {"url": ""}}, "sharedLedger.separateBudgets"),
        (
            {"replicas": 1, "autoscaling": {"enabled": True}, "sharedLedger": {"url": ""}},
            "sharedLedger.separateBudgets",
        ),
        ({"autoscaling": {"enabled": True, "maxReplicas": 1}}, "autoscaling.minReplicas"),
        ({"tls": {"clientCa": "clients"}}, "tls.secret"),
        ({"policy": {"files": None}}, "no policy"),
        ({"ingress": {"enabled": True}}, "ingress.host"),
    ],
    ids=lambda case: json.dumps(case) if isinstance(case, dict) else "",
)
def test_values_that_do_not_go_together_are_refused(wrong: Values, said: str) -> None:
    """In words that say what to write instead."""
    done = template(wrong)
    assert done.returncode != 0 and not done.stdout and said in done.stderr, done.stderr


def test_separate_budgets_can_be_meant() -> None:
    """Then the notes say what they come to."""
    values = {"replicas": 3, "sharedLedger": {"url": "", "separateBudgets": True}}
    assert "3 pods may spend 3 times as much" in notes(values)
    assert "times as much" not in notes({})


def notes(values: Values) -> str:
    """What helm tells whoever installs it."""
    words = ["install", "routebook", str(CHART), "--namespace", "ai", "--dry-run=client", "--values", "-"]
    done = helm(*words, given=json.dumps(values))
    assert done.returncode == 0, done.stderr
    return done.stdout.partition("\nNOTES:\n")[2]


@every_set
def test_notes_speak_of_what_is_there(name: str) -> None:
    """Names of services and pods, and commands that the program takes."""
    told, made = notes(SETS[name]), rendered(SETS[name])
    [whole] = [of for kind, of in made if kind == "StatefulSet"]
    assert f"://{whole}.ai.svc:" in told and f"{whole}-0" in told
    lines = re.findall(r"-- (routebook .+)", told)
    assert len(lines) == 2
    for line in lines:
        options(shlex.split(line)[1:])


def properties(schema: Values, path: str = "") -> set[str]:
    """Every place that a schema names, as `image.tag`."""
    found = set()
    for name, each in schema.get("properties", {}).items():
        found |= {f"{path}{name}"} | properties(each, f"{path}{name}.")
    return found


def places(values: Values, schema: Values, path: str = "") -> set[str]:
    """Every place that values name, as deep as the schema knows names."""
    found = set()
    for name, each in values.items():
        known = schema["properties"][name]
        found |= {f"{path}{name}"} | (places(each, known, f"{path}{name}.") if known.get("properties") else set())
    return found


def test_values_schema_and_templates_name_the_same() -> None:
    """Each value has a default and a schema, and a template asks for it."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    beyond = {"global"} | {f"{of}.claims" for of in ("resources", "reloadResources")}
    assert properties(schema) - beyond == places(values, schema)
    text = "".join(path.read_text() for path in CHART.rglob("templates/**/*") if path.is_file())
    asked = set(re.findall(r"\.Values\.([\w.]+\w)", text))
    assert asked <= properties(schema)
    leaves = {
        place for place in places(values, schema) if not any(of.startswith(f"{place}.") for of in properties(schema))
    }
    whole = {"resources.requests", "resources.limits", "reloadResources.requests", "reloadResources.limits"}
    assert leaves - whole <= asked


def test_the_chart_is_of_this_version(tmp_path: Path) -> None:
    """helm packs it, and it asks for the image of this very program."""
    assert helm("package", str(CHART), "--destination", str(tmp_path)).returncode == 0
    [packed] = tmp_path.glob("*.tgz")
    shown = yaml.safe_load(helm("show", "chart", str(packed)).stdout)
    assert packed.name == f"routebook-{shown['version']}.tgz" and shown["appVersion"] == __version__
    assert containers(rendered({}))["routebook"]["image"] == f"routebook:{__version__}"


async def test_the_test_of_a_release_tells_a_service_from_none(tmp_path: Path) -> None:
    """The script of `helm test`, run against a running service: well where it is ready and asks for keys, and else not."""
    python, flag, script, *pairs = one(rendered({}), "Pod")["spec"]["containers"][0]["command"]
    assert (python, flag) == ("python", "-c")
    asks = "clients: {shop: {keys: ['hmac-sha256:" + "0" * 64 + "']}}"
    async with running_proxy(tmp_path, small_policy("http://127.0.0.1:9/v1", more=asks)) as proxy:
        ready, listed = pairs[0], pairs[2]
        assert ready == "http://routebook-pods:8081/readyz" and listed == "http://routebook:80/v1/models"
        pairs[0] = ready.replace("http://routebook-pods:8081", proxy.admin)
        pairs[2] = listed.replace("http://routebook:80", proxy.url)
        assert await said_by(script, *pairs) == (0, "")
        code, told = await said_by(script, *pairs[:3], "200")
        assert code == 1 and "200 was expected" in told
    code, told = await said_by(script, *pairs)
    assert code == 1 and "refused" in told


async def said_by(script: str, *words: str) -> tuple[int | None, str]:
    """The exit code of the script, and what it said to standard error."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", script, *words, stdout=pipe, stderr=pipe)
    _, told = await process.communicate()
    return process.returncode, told.decode()
