"""Commands and the admin listener: how they find a token, and when a service with such a listener does not start."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path

import pytest

from routebook.edge.admin import tokens
from routebook.edge.admin.route import Role
from tests.support.admin import ask, code_of, make_token
from tests.support.ports import free_port
from tests.support.processes import run_command
from tests.support.proxy import running_proxy, small_policy, write_policy

POLICY = small_policy("http://127.0.0.1:9/v1")


async def test_a_command_on_this_machine_needs_no_token(tmp_path: Path) -> None:
    """The service keeps one of its own in a private file, as long as it runs."""
    async with running_proxy(tmp_path, POLICY) as proxy:
        make_token(proxy.state_dir)
        own = proxy.state_dir / tokens.LOCAL
        assert stat.S_IMODE(own.stat().st_mode) == 0o600
        assert code_of(await ask(proxy.admin, "POST", "/reload")) == "admin.no-token"
        done = await proxy.command("reload", "--wait", "--state-dir", str(proxy.state_dir))
        assert (done.returncode, done.stderr) == (0, "")
        first = own.read_text()
    assert not own.exists()
    async with running_proxy(tmp_path, POLICY) as proxy:
        assert own.read_text() != first
        assert code_of(await ask(proxy.admin, "GET", "/policy", token=first)) == "admin.unknown-token"


async def test_a_token_is_taken_from_a_file_or_the_environment(tmp_path: Path) -> None:
    """The file that is named goes first, then the environment, then the service's own; a wrong one is not replaced."""
    async with running_proxy(tmp_path, POLICY) as proxy:
        operate, read = make_token(proxy.state_dir)[0], make_token(proxy.state_dir, Role.READ)[0]
        file = tmp_path / "token"
        file.write_text(f"{operate}\n")
        words = ("reload", "--wait", "--state-dir", str(proxy.state_dir))
        proxy.environment["ROUTEBOOK_ADMIN_TOKEN"] = read
        refused = await proxy.command(*words)
        assert refused.returncode == 1
        assert "[admin.wrong-role]" in refused.stderr and read not in refused.stderr
        assert (await proxy.command(*words, "--admin-token-file", str(file))).returncode == 0
        missing = await proxy.command(*words, "--admin-token-file", str(tmp_path / "nowhere"))
        assert missing.returncode == 1 and "cannot be read (no such file or directory)" in missing.stderr
        file.write_text("two\nlines\n")
        broken = await proxy.command(*words, "--admin-token-file", str(file))
        assert broken.returncode == 1 and "holds no token" in broken.stderr and "lines" not in broken.stderr


async def test_tokens_may_be_handed_over(tmp_path: Path) -> None:
    """In a file that the environment names; only they, and the service's own, let anybody in."""
    file = tmp_path / "tokens"
    file.write_text(f"read {'r' * 40}\n")
    async with running_proxy(tmp_path, POLICY, environment={"ROUTEBOOK_ADMIN_TOKENS_FILE": str(file)}) as proxy:
        assert code_of(await ask(proxy.admin, "GET", "/policy")) == "admin.no-token"
        assert (await ask(proxy.admin, "GET", "/policy", token="r" * 40)).status == 200
        assert code_of(await ask(proxy.admin, "POST", "/reload", token="r" * 40)) == "admin.wrong-role"
        file.write_text("read short\n")
        assert code_of(await ask(proxy.admin, "GET", "/policy", token="r" * 40)) == "admin.tokens-unreadable"
        assert "a token has at least 32 characters" in proxy.log and "short" not in proxy.log


@pytest.mark.parametrize(
    ("admin", "content", "says"),
    [
        ("0.0.0.0", None, "can be reached from elsewhere, and there is no admin token [admin.open-to-all]"),
        ("0.0.0.0", "# nothing\n", "can be reached from elsewhere, and there is no admin token [admin.open-to-all]"),
        ("127.0.0.1", "root hunter2hunter2hunter2hunter2hunter2\n", "tokens:1: write `read` or `operate`"),
    ],
)
async def test_a_listener_that_anybody_could_use_does_not_start(
    tmp_path: Path, admin: str, content: str | None, says: str
) -> None:
    """Before it listens, with a word on what to do; a file of tokens with a mistake is said and not passed over."""
    write_policy(tmp_path / "rules", POLICY)
    words = ["--policy", str(tmp_path / "rules"), "--state-dir", str(tmp_path / "var"), "--listen", "127.0.0.1:0"]
    if content is not None:
        (tmp_path / "tokens").write_text(content)
        words += ["--admin-tokens-file", str(tmp_path / "tokens")]
    done = await asyncio.to_thread(run_command, "serve", *words, "--admin", f"{admin}:{free_port()}")
    assert done.returncode == 1
    assert says in done.stderr and "hunter2" not in done.stderr
