"""The manifests in deploy/kubernetes: they fit together and the program, and the policy is read again as they say."""

from __future__ import annotations

import asyncio
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from routebook.cli.main import build_parser, main
from routebook.edge.admin.route import Role
from routebook.edge.admin.routes import ROUTES
from tests.support.helm import kubectl, needs_kubectl
from tests.support.processes import start, stop
from tests.support.proxy import running_proxy, small_policy

FOLDER = Path(__file__).parents[1] / "deploy" / "kubernetes"
OBJECTS = [each for path in FOLDER.glob("*.yaml") for each in yaml.safe_load_all(path.read_text()) if "kind" in each]


def of_kind(kind: str) -> list[dict[str, Any]]:
    """All objects of a kind."""
    return [each for each in OBJECTS if each["kind"] == kind]


[STATEFUL] = of_kind("StatefulSet")
POD = STATEFUL["spec"]["template"]["spec"]
CONTAINERS = {each["name"]: each for each in POD["containers"]}


VERSIONS = ("1.29", "1.34")
"""The releases of Kubernetes whose schemas the manifests are held to: an old one that is met, and a recent one."""

OWN = [each for each in OBJECTS if "kustomize" not in each.get("apiVersion", "") and "coreos" not in each["apiVersion"]]
"""All but what kustomize reads and what the operator of Prometheus defines: their schemas are no part of Kubernetes."""


@pytest.mark.parametrize("version", VERSIONS)
def test_manifests_are_what_kubernetes_takes(version: str) -> None:
    """By the published schemas, strictly: a field that there is not is a mistake."""
    assert {each["kind"] for each in OWN} == {"StatefulSet", "Service", "PodDisruptionBudget"}
    for each in OWN:
        kubernetes_validate.validate(each, version, strict=True)
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate({**OWN[0], "spek": {}}, version, strict=True)


@needs_kubectl
def test_kustomize_puts_them_together() -> None:
    """`kubectl apply -k` would apply what the files hold, with the policy as a ConfigMap whose name stays."""
    done = kubectl("kustomize", str(FOLDER))
    assert done.returncode == 0, done.stderr
    built = {(each["kind"], each["metadata"]["name"]): each for each in yaml.safe_load_all(done.stdout)}
    policy = built.pop(("ConfigMap", "routebook-policy"))
    assert policy["data"] == {"policy.yaml": (FOLDER / "policy.yaml").read_text()}
    assert built == {(each["kind"], each["metadata"]["name"]): each for each in OWN}


def test_the_command_line_and_its_drain() -> None:
    """The program takes it, and Kubernetes does not kill before the drain is over."""
    words = CONTAINERS["routebook"]["args"]
    args = build_parser([words[0]]).parse_args(words)
    [leave] = map(int, CONTAINERS["routebook"]["lifecycle"]["preStop"]["exec"]["command"][1:])
    assert args.command == "serve" and POD["terminationGracePeriodSeconds"] > leave + args.drain
    ports = {each["name"]: each["containerPort"] for each in CONTAINERS["routebook"]["ports"]}
    assert args.listen.endswith(f":{ports['http']}") and args.admin.endswith(f":{ports['admin']}")


def test_probes_ask_what_is_open_to_everybody() -> None:
    """No probe needs a token; alive is asked of what does not end while draining."""
    opened = {route.path for route in ROUTES if route.role is Role.ANYONE}
    probes = {name: CONTAINERS["routebook"][f"{name}Probe"]["httpGet"] for name in ("startup", "readiness", "liveness")}
    assert {each["path"] for each in probes.values()} <= opened
    assert probes["liveness"]["path"] == "/healthz" and probes["readiness"]["path"] == "/readyz"


def test_labels_and_names_fit() -> None:
    """Selectors find the pods, ports have names that exist, mounts have volumes."""
    labels = STATEFUL["spec"]["template"]["metadata"]["labels"].items()
    services = {each["metadata"]["name"]: each for each in of_kind("Service")}
    selectors = [each["spec"]["selector"] for each in services.values()]
    selectors += [each["spec"]["selector"]["matchLabels"] for each in (*of_kind("PodDisruptionBudget"), STATEFUL)]
    assert all(selector.items() <= labels for selector in selectors)
    assert STATEFUL["spec"]["serviceName"] in services
    [monitor] = of_kind("ServiceMonitor")
    wanted = monitor["spec"]["selector"]["matchLabels"].items()
    [found] = [each for each in services.values() if wanted <= each["metadata"]["labels"].items()]
    assert {each["port"] for each in monitor["spec"]["endpoints"]} <= {each["name"] for each in found["spec"]["ports"]}
    ports = {each["name"] for each in CONTAINERS["routebook"]["ports"]}
    assert {port["targetPort"] for each in services.values() for port in each["spec"]["ports"]} <= ports
    volumes = {each["name"] for each in POD["volumes"]}
    volumes |= {each["metadata"]["name"] for each in STATEFUL["spec"]["volumeClaimTemplates"]}
    assert all({mount["name"] for mount in each["volumeMounts"]} <= volumes for each in CONTAINERS.values())
    listed = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
    assert all((FOLDER / name).exists() for name in listed["resources"])


@pytest.mark.parametrize("name", CONTAINERS)
def test_containers_may_do_little(name: str) -> None:
    """No root, no capabilities, nothing written but to volumes."""
    assert POD["securityContext"]["runAsNonRoot"] and not POD["automountServiceAccountToken"]
    allowed = CONTAINERS[name]["securityContext"]
    assert allowed["readOnlyRootFilesystem"] and not allowed["allowPrivilegeEscalation"]
    assert allowed["capabilities"] == {"drop": ["ALL"]}


def test_the_policy_is_good(capsys: pytest.CaptureFixture[str]) -> None:
    """And declares clients: without, it would not be served to other machines."""
    assert main(["check", str(FOLDER / "policy.yaml")]) == 0, capsys.readouterr()
    assert yaml.safe_load((FOLDER / "policy.yaml").read_text())["clients"]


def mount(folder: Path, version: str, policy: str) -> None:
    """Put a policy there as Kubernetes mounts a ConfigMap: behind a link that is replaced at once."""
    (folder / version).mkdir()
    (folder / version / "policy.yaml").write_text(policy)
    (folder / "..new").symlink_to(version)
    (folder / "..new").replace(folder / "..data")
    if not (folder / "policy.yaml").is_symlink():
        (folder / "policy.yaml").unlink(missing_ok=True)
        (folder / "policy.yaml").symlink_to("..data/policy.yaml")


async def test_a_change_of_the_config_map_is_taken_in_place(tmp_path: Path) -> None:
    """The sidecar's script, run beside a running service: a new policy serves, a bad one is told and does not."""
    shell = shutil.which("sh")
    assert shell is not None
    policy = small_policy("http://127.0.0.1:9/v1")
    script: str = CONTAINERS["reload"]["command"][2]
    async with running_proxy(tmp_path, policy) as proxy:
        mount(proxy.policy_dir, "..1", policy)
        text = script.replace("/etc/routebook/*", str(proxy.policy_dir))
        assert text != script
        text = text.replace("routebook reload", f"{sys.executable} -m routebook reload")
        (tmp_path / "sidecar").mkdir()
        sidecar = start([shell, "-c", text], tmp_path / "sidecar", {"ROUTEBOOK_STATE_DIR": str(proxy.state_dir)})
        try:
            await asyncio.sleep(0.5)
            mount(proxy.policy_dir, "..2", policy.replace("everything", "other"))
            await proxy.until("/metrics", lambda _, body: 'routebook_reloads_total{result="swapped"} 1.0' in body)
            mount(proxy.policy_dir, "..3", policy.replace("route:", "rout:"))
            await proxy.until("/metrics", lambda _, body: 'routebook_reloads_total{result="rejected"} 1.0' in body)
            end = time.monotonic() + 30
            while "policy.yaml:" not in (tmp_path / "sidecar" / "serve.log").read_text():
                assert time.monotonic() < end
                await asyncio.sleep(0.05)
        finally:
            await asyncio.to_thread(stop, sidecar)
