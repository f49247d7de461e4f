"""Routes to indexing runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import fastapi
from fastapi import FastAPI

from revln.serve import shapes
from revln.serve.errors import ApiError, Json
from revln.serve.jobs import Job
from revln.serve.requests import Index
from revln.serve.service import Service

__all__ = ["JobRoutes"]

_JobId = Annotated[str, fastapi.Path(pattern="^[0-9a-f]{16}$", description="Id of the job.")]


class JobRoutes:
    """Runs that index folders.

    Args:
        service: what they work with.
    """

    def __init__(self, service: Service) -> None:
        self._service, self._jobs = service, service.jobs

    def add_to(self, app: FastAPI) -> None:
        """Makes them routes of an application."""
        many, one = "/v1/jobs", "/v1/jobs/{job}"
        options: dict[str, Any] = {"response_model": shapes.Job, "tags": ["jobs"]}
        app.add_api_route(many, self.start, methods=["POST"], status_code=202, **options)
        app.add_api_route(many, self.list, response_model=shapes.Jobs, tags=["jobs"])
        app.add_api_route(one, self.show, **options)
        app.add_api_route(one, self.cancel, methods=["DELETE"], **options)

    async def start(self, asked: Index) -> Json:
        """Has a folder on the server indexed. It has to be below one of those that the server was allowed."""
        self._service.check_writable()
        with self._service.turn():
            folder = await self._service.run(lambda: self._allowed(asked.path))
        options = asked.model_dump(include={"exclude", "labels_from_folders", "notes"})
        job = Job(folder, asked.source, options)
        if not self._jobs.start(job):
            raise ApiError(
                503, "busy", "too many jobs are waiting", "ask again when one has ended", {"Retry-After": "30"}
            )
        return Json(_told(job), 202)

    async def list(self) -> Json:
        """Lists the jobs of this server, the last hundred that have ended among them."""
        return Json({"jobs": [_told(job) for job in self._jobs]})

    async def show(self, job: _JobId) -> Json:
        """Tells how far a job is, or what it has done."""
        return Json(_told(self._found(job)))

    async def cancel(self, job: _JobId) -> Json:
        """Ends a job as soon as may be; what it has stored is kept. One that has ended stays as it is."""
        self._service.check_writable()
        found = self._found(job)
        self._jobs.cancel(found)
        return Json(_told(found))

    def _found(self, job: str) -> Job:
        found = self._jobs.get(job)
        if found is None:
            raise ApiError(404, "not_found", f"there is no job {job}", "jobs are forgotten when the server ends")
        return found

    def _allowed(self, path: str) -> Path:
        """The folder without links in its path.

        Raises:
            ApiError: it is not below one that is allowed, or there is none. Of what is elsewhere nothing is told.
        """
        refused = ApiError(403, "not_allowed", "the folder is not below one that may be indexed", "see --allow-root")
        try:
            folder = Path(path).resolve()
            if not any(folder.is_relative_to(root) for root in self._service.settings.roots):
                raise refused
            if folder.is_dir():
                return folder
        except (OSError, RuntimeError, ValueError) as error:  # a link to itself, a NUL
            raise refused from error
        raise ApiError(422, "no_folder", "there is no such folder", "check the path")


def _told(job: Job) -> dict[str, Any]:
    return {
        "id": job.id,
        "state": job.state,
        "path": str(job.folder),
        "source": job.source,
        "done": job.done,
        "total": job.total,
        "created_at": job.created_at,
        "seconds": round(job.seconds, 3),
        "report": None if job.report is None else job.report.to_dict(),
        "error": None if job.error is None else job.error.to_dict(),
    }
