"""A comparison as one comment of a pull request on GitHub, or of a merge request on GitLab, written anew each time.

Owns both services' calls. Refuses to run outside of their pipelines, and never shows the token that it is given.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from ops.errors import EstateError
from ops.review.markdown import MARK

_SECONDS = 30.0
"""How long a service may take to answer one request."""
_PAGE = 100
"""Comments that both services give at once."""


@dataclass(frozen=True, kw_only=True)
class _Service:
    """Where the comments of one request are."""

    comments: str
    """URL of the list, to which a new one is posted."""
    comment: str
    """URL of one, with `{id}`."""
    change: str
    """The method that writes one anew."""
    headers: Mapping[str, str] = field(repr=False)


def post(text: str, environment: Mapping[str, str]) -> str:
    """Write the comment, anew where it is there already; `created` or `updated`.
    Raises EstateError: this is no pipeline of a pull request, or the service refuses."""
    service = _service(environment)
    found = _own(service)
    if found is None:
        _ask(service, "POST", service.comments, json={"body": text})
        return "created"
    _ask(service, service.change, service.comment.format(id=found), json={"body": text})
    return "updated"


def _service(environment: Mapping[str, str]) -> _Service:
    if environment.get("GITHUB_ACTIONS") == "true":
        values = _needed(environment, "GITHUB_API_URL", "GITHUB_REPOSITORY", "GITHUB_EVENT_PATH", "GITHUB_TOKEN")
        api, repository, event, token = values
        place = f"{api}/repos/{repository}/issues"
        return _Service(
            comments=f"{place}/{_number(Path(event))}/comments",
            comment=f"{place}/comments/{{id}}",
            change="PATCH",
            headers={"Authorization": f"Bearer {token}", "Accept": "application/vnd.github+json"},
        )
    if environment.get("GITLAB_CI") == "true":
        values = _needed(environment, "CI_API_V4_URL", "CI_PROJECT_ID", "CI_MERGE_REQUEST_IID", "GITLAB_TOKEN")
        api, project, number, token = values
        notes = f"{api}/projects/{project}/merge_requests/{number}/notes"
        return _Service(comments=notes, comment=f"{notes}/{{id}}", change="PUT", headers={"PRIVATE-TOKEN": token})
    raise EstateError("--post: this is no pipeline; expected GitHub's or GitLab's, of a pull request")


def _needed(environment: Mapping[str, str], *names: str) -> list[str]:
    missing = [name for name in names if not environment.get(name)]
    if missing:
        raise EstateError(f"--post: {', '.join(missing)} is not set; expected it in a pull request's pipeline")
    return [environment[name] for name in names]


def _number(event: Path) -> int:
    """Of the pull request that a workflow runs for."""
    try:
        return int(json.loads(event.read_text(encoding="utf-8"))["pull_request"]["number"])
    except (OSError, ValueError, KeyError, TypeError):
        raise EstateError("--post: the event is no pull request's; expected a workflow on pull_request") from None


def _own(service: _Service) -> int | None:
    """The id of the comment that an earlier run wrote."""
    page = 1
    while True:
        found = _ask(service, "GET", service.comments, params={"per_page": _PAGE, "page": page})
        for comment in found:
            if str(comment["body"]).startswith(MARK):
                return int(comment["id"])
        if len(found) < _PAGE:
            return None
        page += 1


def _ask(service: _Service, method: str, url: str, **more: Any) -> Any:
    try:
        answer = requests.request(method, url, headers=dict(service.headers), timeout=_SECONDS, **more)
    except requests.RequestException as error:
        raise EstateError(f"--post: {url} doesn't answer ({type(error).__name__}); expected the service") from None
    if not answer.ok:
        expected = "a token that may write comments" if answer.status_code in (401, 403, 404) else "success"
        raise EstateError(f"--post: {method} {url} answered {answer.status_code}; expected {expected}")
    return answer.json()
