"""The pack store: whole or not at all, never rewritten, never back in time."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import bagit
import pytest

from vpack_pipeline.errors import Problem, UsageError, VerificationError
from vpack_pipeline.io import packs
from vpack_pipeline.io.packs import publication

PAYLOAD = {
    "report.html": b"<!doctype html>",
    "summary.pdf": b"%PDF-1.7\n",
    "protocol.yaml": b"id: a\n",
    "claim.json": b"{}\n",
    "codes.csv": b"code\n",
    "drift/plan.json": b"{}\n",
    "tables/evaluation.performance.csv": b"a,b\n1,2\n",
}


def publish(root: Path, payload=PAYLOAD, cut="2026-01-05", **rest):
    return packs.publish(
        root_packs=root, site_id="site-a", protocol_version="1.0", cut=cut, payload=payload, **rest
    )


def latest_of(root: Path) -> str:
    return os.readlink(root / "site-a" / "latest")


def changed(text: bytes) -> dict[str, bytes]:
    return {**PAYLOAD, "report.html": text}


def test_a_published_version_is_whole_and_latest_points_to_it(tmp_path):
    made = publish(tmp_path)
    assert made.is_new
    assert packs.whole(made.path) == []
    assert packs.whole(tmp_path / "site-a" / "latest") == []
    assert latest_of(tmp_path) == f"versions/{made.version}"
    assert made.version.startswith("1.0-2026-01-05-")


def of_another_byte(path: Path) -> None:
    """Alter a file and nothing that can be set of it: its name, size and times stay."""
    before, data = path.stat(), path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(bytes([data[0] ^ 1]) + data[1:])
    path.chmod(before.st_mode & 0o7777)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_a_pack_is_read_again_once_a_file_of_it_was_touched(tmp_path, monkeypatch):
    asked, real = [], publication.whole

    def whole(pack: Path) -> list[Problem]:
        asked.append(pack)
        return real(pack)

    monkeypatch.setattr(publication, "whole", whole)
    path = publish(tmp_path).path

    def differs() -> bool:
        return bool(packs.differences(path, "site-a", packs.summary(path).payload_digest))

    assert [differs(), differs()] == [False, False]
    assert asked == [path]
    report = path / "data" / "report.html"
    of_another_byte(report)
    assert differs()
    of_another_byte(report)
    assert not differs()
    path.chmod(0o755)
    path.joinpath("more").touch()
    assert differs()
    assert len(asked) == 4


def test_a_version_is_a_valid_bag_in_the_eyes_of_bagit(tmp_path):
    bag = bagit.Bag(str(publish(tmp_path).path))
    assert bag.is_valid()
    assert bag.info["Bagging-Date"] == "2026-01-05"


def test_stock_sha256sum_reads_both_manifests(tmp_path):
    path = publish(tmp_path).path
    for manifest in ("manifest-sha256.txt", "tagmanifest-sha256.txt"):
        done = subprocess.run(
            ["sha256sum", "-c", "--strict", "--quiet", manifest], cwd=path, check=False
        )
        assert done.returncode == 0


def test_the_same_payload_gives_the_same_bytes_in_another_place_order_and_umask(tmp_path):
    first = publish(tmp_path / "a").path
    old = os.umask(0o077)
    try:
        second = publish(tmp_path / "b", payload=dict(reversed(PAYLOAD.items()))).path
    finally:
        os.umask(old)

    def state(folder: Path):
        return {
            p.relative_to(folder).as_posix(): (
                p.stat().st_mode,
                p.read_bytes() if p.is_file() else None,
            )
            for p in [folder, *folder.rglob("*")]
        }

    assert first.name == second.name
    assert state(first) == state(second)


def test_an_identical_payload_publishes_nothing_new(tmp_path):
    first = publish(tmp_path)
    before = sorted(p.name for p in (tmp_path / "site-a" / "versions").iterdir())
    again = publish(tmp_path)
    assert not again.is_new
    assert again.path == first.path
    assert sorted(p.name for p in (tmp_path / "site-a" / "versions").iterdir()) == before


def test_latest_never_moves_to_a_lower_cut(tmp_path):
    newer = publish(tmp_path, cut="2026-01-05.10")
    for cut in ("2026-01-05.2", "2026-01-05", "2025-12-31"):
        assert publish(tmp_path, cut=cut).is_new
        assert latest_of(tmp_path) == f"versions/{newer.version}"


def test_latest_is_the_last_published_of_its_cut_even_after_the_first_is_built_again(tmp_path):
    publish(tmp_path)
    second = publish(tmp_path, payload=changed(b"second"))
    assert not publish(tmp_path).is_new
    assert latest_of(tmp_path) == f"versions/{second.version}"
    assert [v.sequence for v in packs.versions(tmp_path, "site-a")] == [1, 2]


def test_a_lost_link_is_set_again_by_the_next_publication(tmp_path):
    made = publish(tmp_path)
    (tmp_path / "site-a" / "latest").unlink()
    publish(tmp_path)
    assert latest_of(tmp_path) == f"versions/{made.version}"


def test_an_altered_version_is_neither_rewritten_nor_called_published(tmp_path):
    path = publish(tmp_path).path / "data" / "report.html"
    path.chmod(0o644)
    path.write_text("forged")
    with pytest.raises(VerificationError, match=r"report\.html: was changed"):
        publish(tmp_path)
    assert path.read_text() == "forged"


def test_an_inspection_that_raises_keeps_the_version_from_appearing(tmp_path):
    publish(tmp_path)
    before = latest_of(tmp_path)

    def refuse(staged: Path) -> None:
        assert packs.whole(staged) == []
        raise UsageError(())

    with pytest.raises(UsageError):
        publish(tmp_path, payload=changed(b"second"), inspect=refuse)
    assert latest_of(tmp_path) == before
    assert len(packs.versions(tmp_path, "site-a")) == 1


def test_run_ids_stay_outside_the_version(tmp_path):
    made = publish(tmp_path, build={"run_id": "r-1"})
    sidecar = made.path.with_name(f"{made.version}.build.json")
    assert json.loads(sidecar.read_text())["build"] == {"run_id": "r-1"}
    assert all(b"r-1" not in p.read_bytes() for p in made.path.rglob("*") if p.is_file())


@pytest.mark.parametrize(
    "name", ["../x", "/etc/passwd", "a//b", ".hidden", "a\nb", "manifest b", ""]
)
def test_a_path_that_is_not_plain_is_refused(tmp_path, name):
    with pytest.raises(Exception, match="not plain"):
        publish(tmp_path, payload={**PAYLOAD, name: b""})


@pytest.mark.parametrize("site", ["../up", "a\n", "", "A"])
def test_a_site_that_is_no_plain_name_is_refused(tmp_path, site):
    with pytest.raises(UsageError):
        packs.publish(
            root_packs=tmp_path, site_id=site, protocol_version="1.0", cut="2026-01-05", payload={}
        )


def test_an_incomplete_payload_is_not_published(tmp_path):
    with pytest.raises(VerificationError, match="is required"):
        publish(tmp_path, payload={"report.html": b""})
    assert packs.versions(tmp_path, "site-a") == []


class Fault:
    """Raises at the n-th call that touches the file system below a folder."""

    EVENTS = frozenset(
        {"open", "os.rename", "os.symlink", "os.mkdir", "os.chmod", "os.remove", "os.rmdir"}
    )

    def __init__(self):
        self.root, self.at, self.seen, self.error = None, -1, 0, None
        sys.addaudithook(self)

    def arm(self, root: Path, at: int, error: BaseException) -> None:
        self.root, self.at, self.seen, self.error = str(root), at, 0, error

    def disarm(self) -> int:
        self.root = None
        return self.seen

    def __call__(self, event: str, arguments: tuple) -> None:
        if self.root is None or event not in self.EVENTS:
            return
        if not any(
            isinstance(a, str | os.PathLike) and self.root in os.fspath(a) for a in arguments
        ):
            return
        self.seen += 1
        if self.seen == self.at:
            raise self.error


class Killed(BaseException):
    """Stands for a process that ends without another line of its code."""


@pytest.mark.parametrize(
    "error", [Killed(), OSError(errno.ENOSPC, "full"), OSError(errno.EIO, "io")]
)
def test_a_fault_at_any_step_leaves_no_bad_version_and_the_next_run_recovers(tmp_path, error):
    fault = Fault()
    fault.arm(tmp_path, -1, error)
    publish(tmp_path / "count")
    steps = fault.disarm()
    assert steps > 20
    for step in range(1, steps + 1):
        root = tmp_path / str(step)
        old = publish(root, cut="2026-01-04")
        fault.arm(root, step, error)
        failed = False
        try:
            publish(root)
        except (Killed, OSError):
            failed = True
        finally:
            fault.disarm()
        for version in packs.versions(root, "site-a"):
            assert packs.whole(version.path) == []
        assert packs.whole(root / "site-a" / "latest") == []
        latest_before = latest_of(root)
        made = publish(root)
        # A fault after the last rename is still reported: never a false success.
        assert failed or latest_before == f"versions/{made.version}"
        assert latest_before in {f"versions/{v.version}" for v in (old, made)}
        assert latest_of(root) == f"versions/{made.version}"
        assert [v.sequence for v in packs.versions(root, "site-a")] == [1, 2]
        assert not (root / "site-a" / ".staging" / made.version).exists()


def test_a_kill_while_publishing_leaves_only_whole_versions(tmp_path):
    script = textwrap.dedent(
        """
        import sys, itertools
        from pathlib import Path
        from vpack_pipeline.io import packs
        from vpack_pipeline.pack_format.verification import REQUIRED
        payload = {n: b"x" for n in REQUIRED}
        print("ready", flush=True)
        for i in itertools.count():
            packs.publish(root_packs=Path(sys.argv[1]), site_id="site-a", protocol_version="1.0",
                          cut="2026-01-05", payload={**payload, "report.html": str(i).encode()})
        """
    )
    for delay in (0.02, 0.05, 0.11):
        child = subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE
        )
        assert child.stdout is not None
        child.stdout.readline()
        threading.Event().wait(delay)
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
        known = packs.versions(tmp_path, "site-a")
        assert all(packs.whole(v.path) == [] for v in known)
    made = publish(tmp_path)
    assert latest_of(tmp_path) == f"versions/{made.version}"


def test_two_publications_at_once_both_appear_whole(tmp_path):
    payloads = [changed(str(i).encode()) for i in range(8)]
    threads = [threading.Thread(target=publish, args=(tmp_path, p)) for p in payloads]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    known = packs.versions(tmp_path, "site-a")
    assert [v.sequence for v in known] == list(range(1, 9))
    assert all(packs.whole(v.path) == [] for v in known)
    assert latest_of(tmp_path) == f"versions/{known[-1].name}"


def test_the_manifest_table_lists_the_payload_by_path():
    table = packs.validation_pack(PAYLOAD)
    assert table["path"].to_list() == sorted(PAYLOAD)
    assert table["bytes"].sum() == sum(map(len, PAYLOAD.values()))
