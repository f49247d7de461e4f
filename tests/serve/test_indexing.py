"""Indexing on behalf of clients: where, how far, what came of it."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="needs revln[serve]")

from revln.pipeline import Memory
from revln.serve.jobs import Job, Jobs
from serving import picture


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder that may be indexed, with two photos and one broken one."""
    folder = tmp_path / "srv"
    (folder / "2024").mkdir(parents=True)
    (folder / "2024" / "a.jpg").write_bytes(picture("yellow"))
    (folder / "2024" / "b.jpg").write_bytes(picture("cyan"))
    (folder / "2024" / "broken.jpg").write_bytes(picture("cyan")[:300])
    return folder


def ended(client: Any, job: dict[str, Any]) -> dict[str, Any]:
    """The job when it has ended."""
    for _ in range(600):
        told: dict[str, Any] = client.get(f"/v1/jobs/{job['id']}").json()
        if told["state"] not in {"waiting", "running"}:
            return told
        time.sleep(0.05)
    raise AssertionError(told)


def test_a_folder_is_indexed(serve: Any, memory: Memory, root: Path) -> None:
    client = serve(roots=(root,))
    response = client.post("/v1/jobs", json={"path": str(root), "source": "srv", "labels_from_folders": True})
    assert response.status_code == 202
    assert response.json()["state"] in {"waiting", "running", "done"}
    job = ended(client, response.json())
    assert (job["state"], job["done"], job["total"], job["error"]) == ("done", 3, 3, None)
    report = job["report"]
    assert (report["added"], report["records"], len(report["skipped"])) == (2, 5, 1)
    assert report["skipped"][0]["path"].endswith("broken.jpg")
    assert [listed["id"] for listed in client.get("/v1/jobs").json()["jobs"]] == [job["id"]]
    found = client.post("/v1/search", json={"text": "red", "sources": ["srv"], "where": "label = '2024'"}).json()
    assert len(found["hits"]) == 2
    assert client.delete(f"/v1/jobs/{job['id']}").json()["state"] == "done"


@pytest.mark.parametrize(
    "path", ["{}", "{}/..", "{}/../srv2", "/", "/etc", "/etc/passwd", "{}/2024/../../x", "\0", "~"]
)
def test_only_below_what_is_allowed(serve: Any, root: Path, tmp_path: Path, path: str) -> None:
    (tmp_path / "srv2").mkdir()
    asked = {"path": path.format(root)}
    response = serve(roots=(root / "2024",)).post("/v1/jobs", json=asked)
    assert (response.status_code, response.json()["error"]["code"]) == (403, "not_allowed")
    assert serve().post("/v1/jobs", json={"path": str(root)}).status_code == 403  # nothing is


def test_what_is_no_folder(serve: Any, root: Path) -> None:
    client = serve(roots=(root,))
    for path in (root / "2024" / "a.jpg", root / "nothing"):
        response = client.post("/v1/jobs", json={"path": str(path)})
        assert (response.status_code, response.json()["error"]["code"]) == (422, "no_folder")


def test_links_lead_nowhere_else(serve: Any, memory: Memory, root: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "c.jpg").write_bytes(picture("magenta"))
    try:
        (root / "way_out").symlink_to(secret)
        (root / "2024" / "d.jpg").symlink_to(secret / "c.jpg")
        (root / "2024" / "e.jpg").symlink_to(root / "2024" / "a.jpg")
    except OSError:
        pytest.skip("needs symbolic links")
    client = serve(roots=(root,))
    assert client.post("/v1/jobs", json={"path": str(root / "way_out")}).status_code == 403
    report = ended(client, client.post("/v1/jobs", json={"path": str(root)}).json())["report"]
    outside = [skipped["path"] for skipped in report["skipped"] if "outside" in skipped["reason"]]
    assert sorted(Path(path).name for path in outside) == ["c.jpg", "d.jpg"]
    assert report["added"] == 3


def test_jobs_that_are_none(client: Any) -> None:
    assert client.get("/v1/jobs/0123456789abcdef").status_code == 404
    assert client.delete("/v1/jobs/0123456789abcdef").status_code == 404
    assert client.get("/v1/jobs/x").status_code == 422
    assert client.get("/v1/jobs").json() == {"jobs": []}


def test_a_job_that_fails_says_why(serve: Any, memory: Memory, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = serve(roots=(root,))

    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr("revln.serve.jobs.index", fail)
    job = ended(client, client.post("/v1/jobs", json={"path": str(root)}).json())
    assert (job["state"], job["error"]["code"]) == ("failed", "internal")
    assert "secret" not in str(job)


class Held:
    """Indexing that goes on only when it may."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.began, self.go_on = threading.Event(), threading.Event()
        monkeypatch.setattr("revln.serve.jobs.index", self)

    def __call__(self, folder: Path, *, progress: Any, **_: Any) -> None:
        self.began.set()
        for done in range(1000):
            progress(done, 1000)
            self.go_on.wait(0.02)


def test_a_job_is_cancelled(memory: Memory, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = Held(monkeypatch)
    jobs = Jobs(memory, 1, (root,))
    first, second, third = (Job(root, "files", {}) for _ in range(3))
    assert jobs.start(first)
    assert held.began.wait(30)
    assert jobs.start(second)
    assert not jobs.start(third)  # one runs, and one may wait
    jobs.cancel(second)
    assert second.state == "cancelled"
    assert jobs.start(third)
    jobs.cancel(first)
    jobs.close()
    assert [job.state for job in jobs] == ["cancelled"] * 3
    assert first.total == 1000


def test_old_jobs_are_forgotten(memory: Memory, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("revln.serve.jobs.index", lambda *_, **__: None)
    jobs = Jobs(memory, 1000, (root,))
    started = [Job(root, "files", {}) for _ in range(130)]
    for job in started:
        assert jobs.start(job)
        while job.state != "done":
            time.sleep(0.001)
    jobs.close()
    assert len(list(jobs)) == 101
    assert jobs.get(started[0].id) is None
    assert jobs.get(started[-1].id) is started[-1]


def test_a_full_queue_of_jobs(serve: Any, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = Held(monkeypatch)
    client = serve(roots=(root,), jobs=0)
    first = client.post("/v1/jobs", json={"path": str(root)}).json()
    assert held.began.wait(30)
    response = client.post("/v1/jobs", json={"path": str(root)})
    assert (response.status_code, response.headers["retry-after"]) == (503, "30")
    assert client.delete(f"/v1/jobs/{first['id']}").status_code == 200
    assert ended(client, first)["state"] == "cancelled"
